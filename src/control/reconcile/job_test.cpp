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

void set(Mesh& mesh, const std::string& field, base::Json value) {
  mesh.patch("Job", "migrate", "/spec/" + field, std::move(value));
}

void complete(Mesh& mesh) {
  mesh.provider.end(running(mesh), 0);
  mesh.settle();
  ASSERT_EQ(mesh.condition("Job", "migrate", "Complete"), "True CompletionsReached");
}

const std::string image = "template/spec/containers/0/image";

TEST(Job, WhoseTemplateChangesRunsAgain) {
  Mesh mesh;
  mesh.apply(job("migrate"));
  mesh.start_control_plane();
  complete(mesh);
  mesh.pass(2s);
  const auto first = status(mesh)["completionTime"];
  set(mesh, image, "second");
  ASSERT_TRUE(mesh.until([&] { return mesh.order("start").size() == 2; }));
  EXPECT_EQ(mesh.condition("Job", "migrate", "Complete"), "False ");
  EXPECT_EQ(status(mesh)["observedGeneration"], 2);
  EXPECT_EQ(status(mesh)["succeeded"], 0) << "those of the template before do not count";
  EXPECT_FALSE(status(mesh).contains("completionTime"));
  EXPECT_EQ(mesh.provider.instances.size(), 1U);
  complete(mesh);
  EXPECT_NE(status(mesh)["completionTime"], first);
  // Another field is no reason to run.
  set(mesh, "backoffLimit", 9);
  mesh.pass(1s);
  EXPECT_EQ(mesh.order("start").size(), 2U);
  EXPECT_EQ(status(mesh)["observedGeneration"], 3);
}

TEST(Job, WhoseTemplateChangesStopsItsOldRunFirst) {
  Mesh mesh;
  mesh.apply(job("migrate"));
  mesh.start_control_plane();
  running(mesh);
  mesh.provider.held_stops = {"migrate"};
  set(mesh, image, "second");
  mesh.pass(5s);
  EXPECT_EQ(mesh.order("start").size(), 1U) << "two of them never run beside each other";
  EXPECT_EQ(mesh.order("stop").size(), 1U);
}

TEST(Job, OfAnotherTemplateIsNotOverBecauseTheStatusOfTheOneBeforeSaysSo) {
  Mesh mesh;
  mesh.apply(job("migrate"));
  mesh.start_control_plane();
  complete(mesh);
  mesh.kill_control_plane();
  set(mesh, image, "second");
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.order("start").size() == 2; }));
  EXPECT_EQ(mesh.condition("Job", "migrate", "Complete"), "False ");
  mesh.kill_control_plane();
  mesh.start_control_plane();
  mesh.pass(1s);
  EXPECT_EQ(mesh.order("start").size(), 2U) << "the new run is known to be one";
  complete(mesh);
}

TEST(Job, ThatFailedIsNewWithAnotherTemplate) {
  Mesh mesh;
  mesh.apply(job("migrate", 0));
  mesh.apply(service("web", "{name: migrate, kind: Job}"));
  mesh.start_control_plane();
  mesh.provider.end(running(mesh), 1);
  mesh.settle();
  ASSERT_EQ(mesh.condition("Job", "migrate", "Failed"), "True BackoffLimitExceeded");
  set(mesh, image, "second");
  ASSERT_TRUE(mesh.until([&] { return mesh.order("start").size() == 2; }));
  EXPECT_EQ(mesh.condition("Job", "migrate", "Failed"), "False ");
  EXPECT_EQ(status(mesh)["failed"], 0);
  complete(mesh);
  EXPECT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
}

TEST(Job, ThatRunsAgainHoldsBackWhoHasNotBegun) {
  Mesh mesh;
  mesh.apply(job("migrate"));
  mesh.apply(service("web", "{name: migrate, kind: Job}"));
  mesh.start_control_plane();
  complete(mesh);
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  // A release: the migration and what needs it, applied in this order.
  set(mesh, image, "second");
  mesh.patch("Deployment", "web", "/spec/" + image, "second");
  mesh.pass(2s);
  const auto serving = mesh.provider.running("web");
  ASSERT_EQ(serving.size(), 1U) << "what has begun goes on";
  EXPECT_EQ(mesh.provider.specs[serving[0]].image, "image") << "its successor waits for the new run";
  complete(mesh);
  ASSERT_TRUE(mesh.until([&] {
    const auto now = mesh.provider.running("web");
    return now.size() == 1 && mesh.provider.specs[now[0]].image == "second";
  }));
}

TEST(Job, RunsAsManyAtATimeAsItSays) {
  Mesh mesh;
  mesh.apply(job("migrate", 2));
  set(mesh, "parallelism", 2);
  set(mesh, "completions", 3);
  mesh.start_control_plane();
  ASSERT_EQ(mesh.provider.running("migrate").size(), 2U);
  mesh.pass(2s);
  EXPECT_EQ(status(mesh)["active"], 2);
  EXPECT_EQ(status(mesh)["ready"], 2);
  mesh.provider.end(mesh.provider.running("migrate")[0], 0);
  mesh.settle();
  EXPECT_EQ(mesh.provider.running("migrate").size(), 2U);
  mesh.provider.end(mesh.provider.running("migrate")[0], 0);
  mesh.settle();
  EXPECT_EQ(mesh.provider.running("migrate").size(), 1U) << "no more than must succeed";
  EXPECT_EQ(status(mesh)["succeeded"], 2);
  EXPECT_EQ(mesh.condition("Job", "migrate", "Complete"), "False ");
  // What a control plane is told by the one before it counts, though the supervisor has lost it.
  const auto last = mesh.provider.running("migrate").at(0);
  mesh.kill_control_plane();
  std::erase_if(mesh.provider.instances, [&](const auto& entry) { return entry.first != last; });
  mesh.start_control_plane();
  mesh.provider.end(last, 0);
  mesh.settle();
  EXPECT_EQ(mesh.condition("Job", "migrate", "Complete"), "True CompletionsReached");
  EXPECT_EQ(status(mesh)["succeeded"], 3);
  EXPECT_EQ(mesh.provider.most_running["migrate"], 2U);
}

TEST(Job, WithoutCompletionsEndsWhenAllBesideTheFirstHaveEnded) {
  Mesh mesh;
  mesh.apply(job("migrate", 2));
  set(mesh, "parallelism", 2);
  mesh.start_control_plane();
  mesh.provider.end(mesh.provider.running("migrate").at(0), 0);
  mesh.pass(1s);
  EXPECT_EQ(mesh.condition("Job", "migrate", "Complete"), "False ");
  EXPECT_EQ(mesh.provider.running("migrate").size(), 1U) << "the work is done: no more begin";
  mesh.provider.end(mesh.provider.running("migrate").at(0), 0);
  mesh.settle();
  EXPECT_EQ(mesh.condition("Job", "migrate", "Complete"), "True CompletionsReached");
  EXPECT_EQ(mesh.order("start").size(), 2U);
}

TEST(Job, ThatFailsStopsWhatRunsOfIt) {
  Mesh mesh;
  mesh.apply(job("migrate", 0));
  set(mesh, "parallelism", 3);
  set(mesh, "completions", 3);
  mesh.start_control_plane();
  mesh.provider.end(mesh.provider.running("migrate").at(0), 1);
  mesh.pass(1s);
  EXPECT_EQ(mesh.condition("Job", "migrate", "Failed"), "True BackoffLimitExceeded");
  EXPECT_THAT(mesh.provider.running("migrate"), IsEmpty());
  EXPECT_EQ(status(mesh)["active"], 0);
}

TEST(Job, MayTakeNoLongerThanItsDeadline) {
  Mesh mesh;
  mesh.apply(job("migrate", 6));
  set(mesh, "activeDeadlineSeconds", 30);
  mesh.start_control_plane();
  running(mesh);
  mesh.pass(20s);
  mesh.kill_control_plane();
  mesh.start_control_plane();
  mesh.pass(9s);
  EXPECT_EQ(mesh.condition("Job", "migrate", "Failed"), "False ");
  mesh.pass(2s);
  EXPECT_EQ(mesh.condition("Job", "migrate", "Failed"), "True DeadlineExceeded")
      << "a control plane that comes later does not begin to count anew";
  EXPECT_THAT(mesh.message("Job", "migrate", "Failed"), HasSubstr("activeDeadlineSeconds (30)"));
  EXPECT_THAT(mesh.provider.running("migrate"), IsEmpty());
  mesh.kill_control_plane();
  mesh.start_control_plane();
  mesh.pass(1s);
  EXPECT_EQ(mesh.condition("Job", "migrate", "Failed"), "True DeadlineExceeded");
}

/// The night between a stop and the next start is none of its time; nor is that after an unclean end.
TEST(Job, RunsAnewWithItsWholeDeadlineAfterAStop) {
  for (const bool is_clean : {true, false}) {
    Mesh mesh;
    mesh.apply(job("migrate"));
    set(mesh, "activeDeadlineSeconds", 600);
    mesh.start_control_plane();
    running(mesh);
    mesh.pass(60s);
    if (is_clean) {
      mesh.control_plane().stop_all();
      mesh.pass(1s);
      ASSERT_TRUE(mesh.outcome());
    }
    mesh.kill_control_plane();
    mesh.provider.instances.clear();
    mesh.clock.advance(12h);
    mesh.start_control_plane();
    running(mesh);
    mesh.pass(590s);
    EXPECT_EQ(mesh.condition("Job", "migrate", "Failed"), "False ");
    mesh.pass(11s);
    EXPECT_EQ(mesh.condition("Job", "migrate", "Failed"), "True DeadlineExceeded");
    const auto began = status(mesh)["startTime"];
    mesh.kill_control_plane();
    mesh.provider.instances.clear();
    mesh.start_control_plane();
    mesh.pass(1s);
    EXPECT_EQ(status(mesh)["startTime"], began) << "one that is over began when it did";
  }
}

TEST(Job, KeepsItsCountsAndTimesWhenTheMeshStops) {
  Mesh mesh;
  mesh.apply(job("migrate"));
  mesh.apply(job("broken", 0));
  mesh.apply(job("half", 6, "Never"));
  mesh.patch("Job", "half", "/spec/completions", 2);
  mesh.apply(deployment("web"));
  mesh.start_control_plane();
  complete(mesh);
  mesh.provider.end(mesh.provider.running("broken").at(0), 3);
  mesh.provider.end(mesh.provider.running("half").at(0), 0);
  mesh.settle();
  const auto all = [&] {
    return std::vector{status(mesh), mesh.get("Job", "broken")["status"], mesh.get("Job", "half")["status"]};
  };
  const auto before = all();
  const auto expect_kept = [&](const std::vector<base::Json>& now, std::size_t jobs) {
    for (std::size_t i = 0; i < jobs; ++i) {
      for (const auto* field : {"succeeded", "failed", "startTime", "completionTime", "conditions"})
        EXPECT_EQ(now[i].value(field, base::Json()), before[i].value(field, base::Json()))
            << i << " " << field;
    }
  };
  mesh.pass(60s);
  mesh.provider.held_stops = {"web"};
  mesh.control_plane().stop_all();
  mesh.pass(1s);
  expect_kept(all(), 2);
  EXPECT_EQ(all()[2]["succeeded"], 1);
  mesh.provider.held_stops.clear();
  mesh.kill_control_plane();
  mesh.start_control_plane();
  mesh.control_plane().stop_all();
  ASSERT_TRUE(mesh.until([&] { return mesh.outcome().has_value(); }));
  mesh.pass(1s);
  mesh.kill_control_plane();
  ASSERT_THAT(mesh.provider.instances, IsEmpty());
  expect_kept(all(), 2);
  EXPECT_EQ(all()[2]["succeeded"], 1);
  mesh.start_control_plane();
  mesh.pass(1s);
  expect_kept(all(), 2);
  ASSERT_EQ(mesh.provider.running("half").size(), 1U) << "it goes on where it was";
  mesh.provider.end(mesh.provider.running("half").at(0), 0);
  mesh.settle();
  EXPECT_EQ(mesh.condition("Job", "half", "Complete"), "True CompletionsReached");
}

TEST(Job, IsDeletedSomeTimeAfterItsEnd) {
  Mesh mesh;
  mesh.apply(job("migrate"));
  set(mesh, "ttlSecondsAfterFinished", 60);
  mesh.start_control_plane();
  mesh.pass(120s);
  complete(mesh);
  mesh.pass(40s);
  mesh.kill_control_plane();
  mesh.start_control_plane();
  mesh.pass(15s);
  EXPECT_FALSE(mesh.get("Job", "migrate").is_null());
  // Another run has its own end.
  set(mesh, image, "second");
  mesh.settle();
  complete(mesh);
  mesh.pass(50s);
  EXPECT_FALSE(mesh.get("Job", "migrate").is_null());
  mesh.pass(11s);
  EXPECT_TRUE(mesh.get("Job", "migrate").is_null());
  EXPECT_THAT(mesh.provider.instances, IsEmpty());
  EXPECT_THAT(mesh.store.list("Pod", "default").objects, IsEmpty());
}

TEST(Job, WhoseEndIsToldBeforeItIsDeletedAtOnce) {
  Mesh mesh;
  mesh.apply(job("migrate"));
  set(mesh, "ttlSecondsAfterFinished", 0);
  mesh.start_control_plane();
  complete(mesh);
  mesh.pass(500ms);
  EXPECT_EQ(mesh.condition("Job", "migrate", "Complete"), "True CompletionsReached");
  mesh.pass(2s);
  EXPECT_TRUE(mesh.get("Job", "migrate").is_null());
}

TEST(Job, ThatIsSuspendedHasNoRuns) {
  Mesh mesh;
  mesh.apply(job("migrate", 0));
  set(mesh, "suspend", true);
  mesh.start_control_plane();
  mesh.pass(1s);
  EXPECT_THAT(mesh.order("start"), IsEmpty());
  EXPECT_EQ(mesh.condition("Job", "migrate", "Suspended"), "True JobSuspended");
  set(mesh, "suspend", false);
  running(mesh);
  EXPECT_EQ(mesh.condition("Job", "migrate", "Suspended"), "False JobResumed");
  EXPECT_TRUE(status(mesh).contains("startTime"));
  set(mesh, "suspend", true);
  mesh.pass(1s);
  EXPECT_THAT(mesh.provider.running("migrate"), IsEmpty());
  EXPECT_FALSE(status(mesh).contains("startTime"));
  EXPECT_EQ(mesh.condition("Job", "migrate", "Failed"), "False ") << "who stops it has not failed it";
  set(mesh, "suspend", false);
  complete(mesh);
}

}  // namespace
}  // namespace weft::control::reconcile::testing
