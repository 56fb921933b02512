// Jobs: success, failure, the backoff limit, and what is left of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/reconcile/testing_mesh_test.h"
#include "control/reconcile/testing_yaml_test.h"

namespace weft::control::reconcile::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

/// The instance of the Job that runs now; time passes until there is one.
std::string running(Mesh& mesh) {
  EXPECT_TRUE(mesh.until([&] { return mesh.provider.running("migrate").size() == 1; }));
  return mesh.provider.running("migrate").at(0);
}

base::Json status(Mesh& mesh) { return mesh.get("Job", "migrate")["status"]; }

TEST(Job, Completes) {
  Mesh mesh;
  mesh.apply(job("migrate"));
  mesh.start_control_plane();
  const auto id = running(mesh);
  EXPECT_EQ(status(mesh)["active"], 1);
  mesh.provider.end(id, 0);
  mesh.pass(60s);
  EXPECT_EQ(mesh.condition("Job", "migrate", "Complete"), "True CompletionsReached");
  EXPECT_EQ(mesh.condition("Job", "migrate", "Failed"), "False ");
  EXPECT_EQ(status(mesh)["succeeded"], 1);
  EXPECT_EQ(status(mesh)["active"], 0);
  EXPECT_TRUE(status(mesh).contains("completionTime"));
  EXPECT_EQ(mesh.order("start").size(), 1U);
  const auto pod = *mesh.store.list("Pod", "default").objects.at(0);
  EXPECT_EQ(pod["status"]["phase"], "Succeeded");
  EXPECT_EQ(pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 0);
  EXPECT_EQ(mesh.provider.instances.size(), 1U) << "its log stays";
}

TEST(Job, FailsAfterItsBackoffLimitWithNewInstances) {
  Mesh mesh;
  mesh.apply(job("migrate", 2, "Never"));
  mesh.apply(service("web", "{name: migrate, kind: Job}"));
  mesh.start_control_plane();
  for (int i = 0; i < 3; ++i) {
    EXPECT_NE(mesh.condition("Job", "migrate", "Failed").substr(0, 4), "True");
    mesh.provider.end(running(mesh), 7);
    mesh.settle();
  }
  mesh.pass(120s);
  EXPECT_EQ(mesh.condition("Job", "migrate", "Failed"), "True BackoffLimitExceeded");
  EXPECT_THAT(mesh.message("Job", "migrate", "Failed"), HasSubstr("exit code 7"));
  EXPECT_EQ(status(mesh)["failed"], 3);
  EXPECT_THAT(mesh.order("start"), ElementsAre("migrate", "migrate", "migrate"));
  EXPECT_EQ(mesh.store.list("Pod", "default").objects.size(), 3U);
  EXPECT_THAT(mesh.message("Deployment", "web", "DependenciesReady"),
              HasSubstr("failed: 3 of at most 3 runs"));
}

TEST(Job, RestartsInPlaceOnFailure) {
  Mesh mesh;
  mesh.apply(job("migrate", 1, "OnFailure"));
  mesh.start_control_plane();
  const auto id = running(mesh);
  mesh.provider.end(id, 1);
  mesh.settle();
  EXPECT_EQ(running(mesh), id);
  mesh.provider.end(id, 1);
  mesh.pass(60s);
  EXPECT_EQ(mesh.condition("Job", "migrate", "Failed"), "True BackoffLimitExceeded");
  EXPECT_EQ(mesh.order("start").size(), 2U);
}

TEST(Job, SucceedsAfterAFailure) {
  Mesh mesh;
  mesh.apply(job("migrate", 6, "Never"));
  mesh.start_control_plane();
  mesh.provider.end(running(mesh), {}, 11);
  mesh.settle();
  mesh.provider.end(running(mesh), 0);
  mesh.settle();
  EXPECT_EQ(mesh.condition("Job", "migrate", "Complete"), "True CompletionsReached");
  EXPECT_EQ(status(mesh)["failed"], 1);
}

TEST(Job, AMissingImageIsNoFailedRun) {
  Mesh mesh;
  mesh.provider.missing_images = {"image"};
  mesh.apply(job("migrate", 0));
  mesh.start_control_plane();
  mesh.pass(10s);
  EXPECT_EQ(mesh.condition("Job", "migrate", "Failed"), "False ImageNotFound");
  mesh.provider.missing_images.clear();
  mesh.provider.end(running(mesh), 0);
  mesh.settle();
  EXPECT_EQ(mesh.condition("Job", "migrate", "Complete"), "True CompletionsReached");
}

TEST(Job, ThatEndedWhileNobodyLookedIsKnownToHaveEnded) {
  Mesh mesh;
  mesh.apply(job("migrate"));
  mesh.apply(job("other", 0));
  mesh.start_control_plane();
  const auto id = running(mesh);
  const auto other = mesh.provider.running("other").at(0);
  mesh.kill_control_plane();
  mesh.provider.end(id, 0);
  mesh.provider.end(other, 5);
  mesh.start_control_plane();
  mesh.pass(1s);
  EXPECT_EQ(mesh.condition("Job", "migrate", "Complete"), "True CompletionsReached");
  EXPECT_EQ(mesh.condition("Job", "other", "Failed"), "True BackoffLimitExceeded");
  EXPECT_THAT(mesh.message("Job", "other", "Failed"), HasSubstr("exit code 5"));
  EXPECT_EQ(mesh.order("start").size(), 2U) << "neither runs again";
}

TEST(Job, IsOverEvenIfTheSupervisorHasForgottenIt) {
  Mesh mesh;
  mesh.apply(job("migrate"));
  mesh.apply(job("other", 1));
  mesh.start_control_plane();
  mesh.provider.end(running(mesh), 0);
  mesh.provider.end(mesh.provider.running("other").at(0), 1);
  mesh.settle();
  mesh.kill_control_plane();
  mesh.provider.instances.clear();
  mesh.start_control_plane();
  mesh.pass(10s);
  EXPECT_EQ(mesh.condition("Job", "migrate", "Complete"), "True CompletionsReached");
  EXPECT_EQ(mesh.order("start").size(), 3U);
  mesh.provider.end(mesh.provider.running("other").at(0), 1);
  mesh.settle();
  EXPECT_EQ(mesh.condition("Job", "other", "Failed"), "True BackoffLimitExceeded")
      << "the first failure counts";
}

TEST(Job, OfTheSameNameRunsAnew) {
  Mesh mesh;
  mesh.apply(job("migrate"));
  mesh.start_control_plane();
  mesh.provider.end(running(mesh), 0);
  mesh.settle();
  mesh.remove("Job", "migrate");
  mesh.apply(job("migrate"));
  mesh.settle();
  EXPECT_EQ(mesh.order("start").size(), 2U);
  mesh.provider.end(running(mesh), 0);
  mesh.pass(1s);
  EXPECT_EQ(mesh.condition("Job", "migrate", "Complete"), "True CompletionsReached");
  EXPECT_EQ(mesh.provider.instances.size(), 1U);
  mesh.remove("Job", "migrate");
  mesh.pass(1s);
  EXPECT_THAT(mesh.provider.instances, IsEmpty());
}

}  // namespace
}  // namespace weft::control::reconcile::testing
