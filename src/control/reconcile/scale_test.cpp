// What one change costs must depend on what it changes, not on how much else there is.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "control/reconcile/testing_mesh_test.h"
#include "control/reconcile/testing_yaml_test.h"

namespace weft::control::reconcile::testing {
namespace {

std::string one(int number) {
  auto before = number % 10 == 0 ? "" : fmt::format("{{name: s{}}}", number - 1);
  if (number == 6) before += ", {name: called}";
  return "---\n" + service(fmt::format("s{}", number), before, number % 5 == 0 ? 0 : 1);
}

/// `count` Services in chains of ten by dependsOn, with a workload each: of the first and sixth of a chain it
/// is not to run, so that the others, which have a context, wait for it. One that is called by one of them.
std::string chains(int count) {
  std::string text = service("called", "", 0);
  for (int i = 0; i < count; ++i) text += one(i);
  return text;
}

struct Cost {
  std::uint64_t decisions = 0;
  std::uint64_t reports = 0;
  std::uint64_t passes = 0;
  std::uint64_t snapshots = 0;
  friend bool operator==(const Cost&, const Cost&) = default;
};

std::ostream& operator<<(std::ostream& out, const Cost& cost) {
  return out << cost.decisions << " decisions, " << cost.reports << " reports, " << cost.passes << " passes, "
             << cost.snapshots << " snapshots";
}

/// What each of some changes costs in a mesh of `count` Services.
std::map<std::string, Cost> costs(int count) {
  Mesh mesh;
  mesh.apply(chains(count));
  mesh.start_control_plane();
  mesh.pass(std::chrono::seconds(5));
  std::map<std::string, Cost> costs;
  const auto measure = [&](const std::string& what, const auto& change) {
    const auto before = mesh.control_plane().work();
    change();
    mesh.pass(std::chrono::seconds(5));
    const auto after = mesh.control_plane().work();
    costs[what] = {after.decisions - before.decisions, after.reports - before.reports,
                   after.publications - before.publications, after.contexts - before.contexts};
  };
  const std::string image = "/spec/template/spec/containers/0/image";
  measure("nothing", [] {});
  measure("label", [&] { mesh.patch("Service", "s5", "/metadata/labels", {{"a", "b"}}); });
  measure("port", [&] { mesh.patch("Service", "s5", "/spec/ports/0/port", 81); });
  measure("image", [&] { mesh.patch("Deployment", "s5", image, "y"); });
  measure("dependency", [&] { mesh.patch("Service", "s5", "/spec/dependsOn/0/name", "s3"); });
  measure("new", [&] { mesh.apply(one(count)); });
  measure("start", [&] { mesh.patch("Deployment", "called", "/spec/replicas", 1); });
  EXPECT_EQ(mesh.ready("called"), 1);
  measure("stop", [&] { mesh.patch("Deployment", "called", "/spec/replicas", 0); });
  measure("gone", [&] { mesh.remove("Service", fmt::format("s{}", count)); });
  return costs;
}

TEST(Scale, AChangeCostsTheSameHoweverLargeTheMeshIs) {
  const auto small = costs(20);
  EXPECT_EQ(costs(200), small);
  EXPECT_EQ(small.at("nothing"), Cost());
  for (const auto* what : {"label", "image"})
    EXPECT_EQ(small.at(what).passes, 0U) << "proxies are told nothing of it";
  for (const auto& [what, cost] : small) {
    EXPECT_LT(cost.decisions + cost.reports, 40U) << what;
    // The edge, the workload itself and those that call it.
    EXPECT_LE(cost.snapshots, 3 * cost.passes) << what;
  }
}

}  // namespace
}  // namespace weft::control::reconcile::testing
