// Rollouts: what replaces what, from when on an instance counts, and what is said of one that does not get
// on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/reconcile/conditions.h"
#include "control/reconcile/testing_mesh_test.h"
#include "control/reconcile/testing_yaml_test.h"

namespace weft::control::reconcile::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

void set(Mesh& mesh, const std::string& field, base::Json value) {
  mesh.patch("Deployment", "web", "/spec/" + field, std::move(value));
}

const std::string image = "template/spec/containers/0/image";

base::Json status(Mesh& mesh) { return mesh.get("Deployment", "web")["status"]; }

/// All that runs is of that image, and as many as `count`.
bool all_run(Mesh& mesh, const std::string& wanted, std::size_t count) {
  const auto ids = mesh.provider.running("web");
  return ids.size() == count &&
         std::ranges::all_of(ids, [&](const auto& id) { return mesh.provider.specs[id].image == wanted; });
}

TEST(Recreate, StopsAllOldOnesBeforeTheFirstNewOneStarts) {
  Mesh mesh;
  mesh.apply(service("web", "", 2, "one"));
  set(mesh, "strategy", {{"type", "Recreate"}});
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 2; }));
  mesh.provider.calls.clear();
  set(mesh, image, "two");
  ASSERT_TRUE(mesh.until([&] { return all_run(mesh, "two", 2) && mesh.ready("web") == 2; }));
  std::erase_if(mesh.provider.calls, [](const std::string& call) { return call.ends_with("/8080"); });
  EXPECT_THAT(mesh.provider.calls,
              ElementsAre("stop web", "stopped web", "stop web", "stopped web", "start web", "start web"));
  EXPECT_EQ(mesh.condition("Deployment", "web", "Progressing"), "True NewReplicaSetAvailable");
}

TEST(MinReadySeconds, AreAwaitedBeforeTheNextOldOneGoes) {
  Mesh mesh;
  mesh.apply(service("web", "", 2, "one"));
  mesh.apply(deployment("after"));
  mesh.patch("Deployment", "after", "/spec/dependsOn", {{{"name", "web"}, {"kind", "Deployment"}}});
  set(mesh, "minReadySeconds", 10);
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 2; }, 1s));
  EXPECT_EQ(status(mesh)["availableReplicas"], 0);
  EXPECT_EQ(mesh.condition("Deployment", "web", "Available"), "False MinimumReplicasUnavailable");
  EXPECT_THAT(mesh.message("Deployment", "web", "Available"), HasSubstr("0 of them for 10s"));
  mesh.pass(6s);
  EXPECT_THAT(mesh.provider.running("after"), IsEmpty()) << "who needs it ready waits too";
  mesh.kill_control_plane();
  mesh.start_control_plane();
  mesh.pass(5s);
  EXPECT_EQ(status(mesh)["availableReplicas"], 2) << "the time goes on over the control plane's death";
  EXPECT_EQ(mesh.provider.running("after").size(), 1U);
  set(mesh, image, "two");
  mesh.pass(9s);
  EXPECT_EQ(mesh.provider.running("web").size(), 3U);
  EXPECT_EQ(mesh.order("stop").size(), 0U);
  mesh.pass(15s);
  EXPECT_TRUE(all_run(mesh, "two", 2));
}

TEST(MinReadySeconds, MayChange) {
  Mesh mesh;
  mesh.apply(service("web"));
  set(mesh, "minReadySeconds", 500);
  mesh.start_control_plane();
  mesh.pass(20s);
  EXPECT_EQ(status(mesh)["availableReplicas"], 0);
  set(mesh, "minReadySeconds", 10);
  mesh.pass(1s);
  EXPECT_EQ(status(mesh)["availableReplicas"], 1);
  set(mesh, "minReadySeconds", 400);
  mesh.pass(1s);
  EXPECT_EQ(status(mesh)["availableReplicas"], 0);
}

TEST(Worker, WithoutAPortIsReadyOnceItHasRunForASecond) {
  Mesh mesh;
  mesh.apply(deployment("web"));
  auto container = mesh.get("Deployment", "web")["spec"]["template"]["spec"]["containers"][0];
  container.erase("ports");
  set(mesh, "template/spec/containers/0", container);
  mesh.start_control_plane();
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(mesh.until([&] { return mesh.provider.running("web").size() == 1; }));
    mesh.pass(300ms);
    mesh.provider.end(mesh.provider.running("web").at(0), 1);
    mesh.settle();
    EXPECT_NE(mesh.ready("web"), 1) << "it ends after 0.3 s each time";
  }
  EXPECT_EQ(mesh.condition("Deployment", "web", "Available"), "False CrashLoopBackOff");
  ASSERT_TRUE(mesh.until([&] { return mesh.provider.running("web").size() == 1; }));
  mesh.pass(1s);
  EXPECT_EQ(mesh.ready("web"), 1);
}

TEST(Progress, OfWhatDoesNotGetOnIsSaid) {
  Mesh mesh;
  mesh.apply(service("web", "", 1, "one"));
  set(mesh, "progressDeadlineSeconds", 30);
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  EXPECT_EQ(mesh.condition("Deployment", "web", "Progressing"), "True NewReplicaSetAvailable");
  mesh.provider.missing_images = {"two"};
  set(mesh, image, "two");
  mesh.pass(1s);
  EXPECT_EQ(mesh.condition("Deployment", "web", "Available"), "True MinimumReplicasAvailable");
  EXPECT_EQ(mesh.condition("Deployment", "web", "Progressing"), "True ImageNotFound");
  // As a database does whose predecessor has its folder: it never gets ready, and the old one serves.
  mesh.prober.failing = {"web"};
  set(mesh, image, "three");
  ASSERT_TRUE(mesh.until([&] { return mesh.provider.running("web").size() == 2; }));
  const auto ids = mesh.provider.running("web");
  mesh.prober.failing = {mesh.provider.specs[ids[0]].image == "three" ? ids[0] : ids[1]};
  mesh.pass(20s);
  EXPECT_EQ(mesh.condition("Deployment", "web", "Progressing"), "True NotReady");
  mesh.kill_control_plane();
  mesh.start_control_plane();
  mesh.pass(9s);
  EXPECT_EQ(mesh.condition("Deployment", "web", "Progressing"), "True NotReady");
  mesh.pass(2s);
  EXPECT_EQ(mesh.condition("Deployment", "web", "Progressing"), "False ProgressDeadlineExceeded")
      << "the deadline does not begin anew with the control plane";
  EXPECT_THAT(mesh.message("Deployment", "web", "Progressing"),
              HasSubstr("1 of 1 instance up to date, no progress for 30s; NotReady: web-"));
  EXPECT_EQ(mesh.data_plane.healthy("outbound|80||web.default"), 1);
  mesh.prober.failing.clear();
  ASSERT_TRUE(mesh.until([&] { return all_run(mesh, "three", 1); }));
  mesh.pass(1s);
  EXPECT_EQ(mesh.condition("Deployment", "web", "Progressing"), "True NewReplicaSetAvailable");
}

/// Neither after an end that nobody could write down.
TEST(Progress, IsNotMissedWhileTheMeshIsStopped) {
  for (const bool is_clean : {true, false}) {
    Mesh mesh;
    mesh.apply(service("web", "", 1, "one"));
    set(mesh, "progressDeadlineSeconds", 30);
    mesh.prober.failing = {"web"};
    mesh.start_control_plane();
    mesh.pass(20s);
    EXPECT_EQ(mesh.condition("Deployment", "web", "Progressing"), "True NotReady");
    if (is_clean) {
      mesh.control_plane().stop_all();
      ASSERT_TRUE(mesh.until([&] { return mesh.outcome().has_value(); }));
    }
    mesh.kill_control_plane();
    mesh.provider.instances.clear();
    mesh.clock.advance(12h);
    auto watch = mesh.store.watch("Deployment", mesh.store.list("Deployment", {}).version);
    mesh.start_control_plane();
    const auto events = mesh.reactor.block_on((*watch)->next());
    for (const auto& event : *events)
      EXPECT_NE((*find_condition(*event.object, "Progressing"))["reason"], "ProgressDeadlineExceeded");
    const auto is_late = [&] {
      return mesh.condition("Deployment", "web", "Progressing") == "False ProgressDeadlineExceeded";
    };
    EXPECT_FALSE(mesh.until(is_late, 25s));
    EXPECT_TRUE(mesh.until(is_late));
  }
}

TEST(Progress, IsNotMissedWhereNothingIsRolledOut) {
  Mesh mesh;
  mesh.apply(service("web", "{name: db}", 1, "one"));
  set(mesh, "progressDeadlineSeconds", 30);
  mesh.start_control_plane();
  mesh.pass(60s);
  EXPECT_EQ(mesh.condition("Deployment", "web", "Progressing"), "False DependencyMissing")
      << "the time that it waits for others is not its own";
  mesh.apply(service("db"));
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  mesh.prober.failing = {"web"};
  mesh.pass(120s);
  EXPECT_EQ(mesh.ready("web"), 0);
  EXPECT_EQ(mesh.condition("Deployment", "web", "Progressing"), "True NewReplicaSetAvailable")
      << "what fails after its rollout is no rollout that fails";
}

}  // namespace
}  // namespace weft::control::reconcile::testing
