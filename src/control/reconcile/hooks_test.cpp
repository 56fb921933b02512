// How the end of an instance goes: what is under way ends, preStop, SIGTERM, in its grace; and postStart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/reconcile/testing_mesh_test.h"
#include "control/reconcile/testing_yaml_test.h"

namespace weft::control::reconcile::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

constexpr std::string_view pre_stop = "        lifecycle: {preStop: {exec: {command: [goodbye]}}}";
constexpr std::string_view post_start = "        lifecycle: {postStart: {exec: {command: [hello]}}}";

/// "web" with one ready instance (or several).
void start(Mesh& mesh, std::string_view extra = {}, int replicas = 1) {
  mesh.apply(service("web"));
  mesh.apply(deployment("web", replicas, "image", std::string(extra)));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == replicas; }));
}

std::vector<std::string> events(const Mesh& mesh) {
  std::vector<std::string> reasons;
  for (const auto& event : mesh.store.list("Event", "default").objects)
    reasons.push_back((*event)["reason"].get<std::string>());
  return reasons;
}

std::optional<std::chrono::milliseconds> drain_of_listener(const Mesh& mesh) {
  return mesh.data_plane.published.at({"default", "web"})->listeners.front().drain;
}

TEST(End, OfRequestsThenPreStopThenSigterm) {
  Mesh mesh;
  runtime::Event goodbye;
  start(mesh, pre_stop);
  mesh.prober.held = &goodbye;
  mesh.data_plane.answering.clear();
  mesh.data_plane.resting.clear();
  mesh.patch("Deployment", "web", "/spec/replicas", 0);
  mesh.pass(1s);
  EXPECT_EQ(drain_of_listener(mesh), std::nullopt) << "not before its callers know";
  mesh.data_plane.answering.set();
  mesh.pass(1s);
  EXPECT_EQ(drain_of_listener(mesh), 3s) << "of a grace of 30 s";
  EXPECT_THAT(mesh.prober.commands, IsEmpty());
  mesh.data_plane.resting.set();
  mesh.pass(3s);
  EXPECT_THAT(mesh.prober.commands, ElementsAre("goodbye"));
  EXPECT_THAT(mesh.order("stop"), IsEmpty());
  goodbye.set();
  mesh.settle();
  EXPECT_THAT(mesh.order("stop"), ElementsAre("web"));
  EXPECT_EQ(mesh.provider.last_grace, 25s) << "what has passed is part of it";
}

TEST(End, WaitsForAHalfOfItsGraceForRequests) {
  Mesh mesh;
  start(mesh);
  mesh.data_plane.resting.clear();
  mesh.patch("Deployment", "web", "/spec/replicas", 0);
  mesh.pass(14s);
  EXPECT_THAT(mesh.order("stop"), IsEmpty());
  mesh.pass(1100ms);
  EXPECT_THAT(mesh.order("stop"), ElementsAre("web"));
  EXPECT_EQ(mesh.provider.last_grace, 15s);
  EXPECT_THAT(events(mesh), Contains("DrainTimeout"));
}

TEST(End, OfAPreStopThatHangsIsThatOfItsGrace) {
  Mesh mesh;
  runtime::Event never;
  start(mesh, pre_stop);
  mesh.prober.held = &never;
  mesh.patch("Deployment", "web", "/spec/replicas", 0);
  mesh.pass(29s);
  EXPECT_THAT(mesh.order("stop"), IsEmpty());
  mesh.pass(1100ms);
  EXPECT_THAT(mesh.order("stop"), ElementsAre("web"));
  EXPECT_EQ(mesh.provider.last_grace, 2s) << "SIGTERM gets its least";
  EXPECT_THAT(events(mesh), Contains("FailedPreStopHook"));
}

TEST(End, SleepsAsPreStop) {
  Mesh mesh;
  start(mesh, "        lifecycle: {preStop: {sleep: {seconds: 5}}}");
  mesh.patch("Deployment", "web", "/spec/replicas", 0);
  mesh.pass(4900ms);
  EXPECT_THAT(mesh.order("stop"), IsEmpty());
  mesh.pass(200ms);
  EXPECT_THAT(mesh.order("stop"), ElementsAre("web"));
}

TEST(End, WithoutAGraceWaitsForNothing) {
  Mesh mesh;
  mesh.apply(
      deployment("web", 1, "image", std::string(pre_stop) + "\n      terminationGracePeriodSeconds: 0"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  mesh.data_plane.resting.clear();
  mesh.patch("Deployment", "web", "/spec/replicas", 0);
  mesh.settle();
  EXPECT_THAT(mesh.order("stop"), ElementsAre("web"));
  EXPECT_EQ(mesh.provider.last_grace, 0s);
  EXPECT_THAT(mesh.prober.commands, IsEmpty());
}

TEST(End, OfAProcessThatEndsMeanwhileIsNotWaitedFor) {
  Mesh mesh;
  start(mesh, pre_stop);
  mesh.data_plane.resting.clear();
  mesh.patch("Deployment", "web", "/spec/replicas", 0);
  mesh.pass(1s);
  mesh.provider.end(mesh.provider.running("web").at(0), 0);
  mesh.settle();
  EXPECT_THAT(mesh.prober.commands, IsEmpty());
  EXPECT_THAT(mesh.provider.instances, IsEmpty());
}

TEST(End, OfOneThatIsNotAliveHasAPreStopToo) {
  Mesh mesh;
  start(mesh,
        std::string(pre_stop) +
            "\n        livenessProbe: {periodSeconds: 2, failureThreshold: 1, tcpSocket: {port: http}}");
  mesh.prober.failing = {"liveness web"};
  ASSERT_TRUE(mesh.until([&] { return mesh.order("stop").size() == 1; }));
  EXPECT_THAT(mesh.prober.commands, ElementsAre("goodbye"));
}

TEST(End, GoesOnWithTheNextControlPlane) {
  Mesh mesh;
  start(mesh, {}, 3);
  mesh.data_plane.resting.clear();
  mesh.patch("Deployment", "web", "/spec/replicas", 2);
  mesh.pass(5s);
  mesh.kill_control_plane();
  std::string leaving;
  for (const auto& [id, instance] : mesh.provider.instances) {
    if (instance.note.starts_with("leaving since ")) leaving = id;
  }
  ASSERT_FALSE(leaving.empty());
  mesh.clock.advance(5s);
  mesh.start_control_plane();
  mesh.pass(4s);
  EXPECT_THAT(mesh.order("stop"), IsEmpty()) << "what is under way is waited for again";
  EXPECT_EQ(mesh.ready("web"), 2);
  mesh.pass(1100ms);
  EXPECT_THAT(mesh.order("stop"), ElementsAre("web")) << "but not longer";
  EXPECT_EQ(mesh.provider.last_grace / 1s, 15);
  EXPECT_FALSE(mesh.provider.instances.contains(leaving)) << "the same one";
}

TEST(End, IsThatOfItsOwnTemplateAfterAControlPlane) {
  Mesh mesh;
  start(mesh, pre_stop);
  mesh.kill_control_plane();
  mesh.patch("Deployment", "web", "/spec/template/spec/terminationGracePeriodSeconds", 3);
  mesh.patch("Deployment", "web", "/spec/template/spec/containers/0/lifecycle/preStop/exec/command/0", "bye");
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.order("stop").size() == 1; }));
  EXPECT_THAT(mesh.prober.commands, ElementsAre("goodbye"));
  EXPECT_GT(mesh.provider.last_grace, 20s) << "of 30 s";
}

TEST(Start, IsNotOverBeforePostStart) {
  Mesh mesh;
  runtime::Event hello;
  mesh.prober.held = &hello;
  mesh.apply(deployment("web", 1, "image", std::string(post_start)));
  mesh.start_control_plane();
  mesh.pass(5s);
  EXPECT_THAT(mesh.prober.commands, ElementsAre("hello"));
  EXPECT_EQ(mesh.ready("web"), 0);
  hello.set();
  EXPECT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  mesh.start_control_plane();
  mesh.pass(5s);
  EXPECT_THAT(mesh.prober.commands, ElementsAre("hello")) << "once for each start";
}

TEST(Start, WhosePostStartFailsIsMadeAgain) {
  Mesh mesh;
  mesh.prober.failing = {"web"};
  mesh.apply(deployment("web", 1, "image", std::string(post_start)));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.order("stop").size() == 1; }));
  EXPECT_EQ(mesh.condition("Deployment", "web", "Available"), "False PostStartHookError");
  EXPECT_THAT(events(mesh), Contains("FailedPostStartHook"));
  mesh.prober.failing.clear();
  EXPECT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
}

}  // namespace
}  // namespace weft::control::reconcile::testing
