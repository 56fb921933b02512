// What proxies were told change by change is what a control plane tells them that comes to it all at once.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "control/reconcile/testing_mesh_test.h"
#include "control/reconcile/testing_yaml_test.h"

namespace weft::control::reconcile::testing {
namespace {

/// What the proxies have in force.
std::map<std::string, snapshot::Snapshot> in_force(const Mesh& mesh) {
  std::map<std::string, snapshot::Snapshot> all;
  for (const auto& [node, contexts] : mesh.data_plane.placed) {
    for (const auto& context : contexts)
      all.emplace(context.to_string(), *mesh.data_plane.published.at(context));
  }
  return all;
}

std::string named(std::uint64_t number) { return fmt::format("s{}", number); }

/// One change of any kind to one of a few Services or their Deployments.
void change(Mesh& mesh, base::Random& random) {
  constexpr std::uint64_t count = 5;
  const auto name = named(random.below(count));
  const bool has_service = !mesh.get("Service", name).is_null();
  const bool has_deployment = !mesh.get("Deployment", name).is_null();
  const auto depends = fmt::format("{{name: {}}}", named(random.below(count)));
  switch (random.below(9)) {
    case 0: mesh.apply(service(name, random.below(2) == 0 ? depends : "", 1)); break;
    case 1:
      if (has_service) mesh.remove("Service", name);
      break;
    case 2:
      if (has_deployment) mesh.remove("Deployment", name);
      break;
    case 3:
      if (has_service) mesh.patch("Service", name, "/spec/ports/0/port", 80 + random.below(2));
      break;
    case 4:
      if (has_service) mesh.patch("Service", name, "/spec/selector", {{"app", named(random.below(count))}});
      break;
    case 5:
      if (has_service)
        mesh.patch("Service", name, "/spec/dependsOn", {{{"name", named(random.below(count))}}});
      break;
    case 6:
      if (has_deployment) mesh.patch("Deployment", name, "/spec/replicas", random.below(3));
      break;
    case 7:
      if (has_deployment)
        mesh.patch("Deployment", name, "/spec/template/spec/serviceAccountName", named(random.below(count)));
      break;
    case 8:
      if (const auto running = mesh.provider.running(name); !running.empty())
        mesh.provider.end(running[0], 1);
      break;
  }
}

TEST(Publisher, ChangesLeadToAllThatTheyConcern) {
  Mesh mesh;
  mesh.start_control_plane();
  base::Random random(1);
  for (int i = 0; i < 150; ++i) {
    for (auto changes = 1 + random.below(3); changes > 0; --changes) change(mesh, random);
    mesh.pass(std::chrono::seconds(3));
    const auto known = in_force(mesh);
    mesh.start_control_plane();
    mesh.pass(std::chrono::seconds(3));
    const auto all_at_once = in_force(mesh);
    ASSERT_EQ(all_at_once.size(), known.size()) << i;
    for (const auto& [context, snapshot] : all_at_once)
      ASSERT_TRUE(known.contains(context) && known.at(context) == snapshot) << context << " after " << i;
  }
}

}  // namespace
}  // namespace weft::control::reconcile::testing
