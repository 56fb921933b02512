// The templates that a Deployment has had: which are kept, how they are numbered, when they go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/reconcile/testing_mesh_test.h"
#include "control/reconcile/testing_yaml_test.h"

namespace weft::control::reconcile::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

/// "number image" of each, the oldest first.
std::vector<std::string> revisions(Mesh& mesh) {
  std::vector<std::pair<int, std::string>> found;
  for (const auto& object : mesh.store.list("ControllerRevision", "default").objects) {
    const auto& container = object->at("data").at("spec").at("template").at("spec").at("containers").at(0);
    found.emplace_back(object->at("revision").get<int>(), container.at("image").get<std::string>());
  }
  std::ranges::sort(found);
  std::vector<std::string> lines;
  for (const auto& [number, image] : found) lines.push_back(fmt::format("{} {}", number, image));
  return lines;
}

void use(Mesh& mesh, const std::string& image) {
  mesh.patch("Deployment", "web", "/spec/template/spec/containers/0/image", image);
  mesh.pass(1s);
}

TEST(Revisions, AreKeptAndTheOneThatIsUsedAgainBecomesTheNewest) {
  Mesh mesh;
  mesh.apply(deployment("web", 1, "one"));
  mesh.start_control_plane();
  mesh.pass(1s);
  EXPECT_THAT(revisions(mesh), ElementsAre("1 one"));
  use(mesh, "two");
  mesh.patch("Deployment", "web", "/spec/replicas", 2);
  mesh.pass(1s);
  EXPECT_THAT(revisions(mesh), ElementsAre("1 one", "2 two"));
  use(mesh, "one");
  EXPECT_THAT(revisions(mesh), ElementsAre("2 two", "3 one"));
  mesh.kill_control_plane();
  mesh.start_control_plane();
  mesh.pass(1s);
  EXPECT_THAT(revisions(mesh), ElementsAre("2 two", "3 one")) << "it knows which is the newest";
  mesh.kill_control_plane();
  mesh.patch("Deployment", "web", "/spec/template/spec/containers/0/image", "three");
  mesh.start_control_plane();
  mesh.pass(1s);
  EXPECT_THAT(revisions(mesh), ElementsAre("2 two", "3 one", "4 three"));
}

TEST(Revisions, BeyondTheLimitGo) {
  Mesh mesh;
  mesh.apply(deployment("web", 0, "one") + "---\n" + deployment("web-api", 0, "other"));
  mesh.patch("Deployment", "web", "/spec/revisionHistoryLimit", 1);
  mesh.start_control_plane();
  for (const auto* image : {"two", "three", "four"}) use(mesh, image);
  EXPECT_THAT(revisions(mesh), ElementsAre("1 other", "3 three", "4 four"));
}

TEST(Revisions, GoWithTheirDeployment) {
  Mesh mesh;
  mesh.apply(deployment("web", 1, "one"));
  mesh.start_control_plane();
  use(mesh, "two");
  mesh.remove("Deployment", "web");
  mesh.pass(1s);
  EXPECT_THAT(revisions(mesh), IsEmpty());
  // One that was deleted while there was no control plane, and made anew.
  mesh.apply(deployment("web", 1, "one"));
  mesh.pass(1s);
  mesh.kill_control_plane();
  mesh.remove("Deployment", "web");
  mesh.apply(deployment("web", 1, "two"));
  mesh.start_control_plane();
  mesh.pass(1s);
  EXPECT_THAT(revisions(mesh), ElementsAre("1 two"));
  mesh.kill_control_plane();
  mesh.remove("Deployment", "web");
  mesh.start_control_plane();
  mesh.pass(1s);
  EXPECT_THAT(revisions(mesh), IsEmpty());
}

}  // namespace
}  // namespace weft::control::reconcile::testing
