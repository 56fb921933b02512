// Instances that crash, cannot start, never get ready, are replaced or scaled.
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

const std::string web_cluster = "outbound|80||web.default";

base::Json first_pod(Mesh& mesh) {
  const auto pods = mesh.store.list("Pod", "default").objects;
  return pods.empty() ? base::Json() : *pods.front();
}

base::Json container_state(Mesh& mesh) { return first_pod(mesh)["status"]["containerStatuses"][0]; }

TEST(InstanceLife, ThreeReplicasBecomeReadyAndEndpoints) {
  Mesh mesh;
  mesh.apply(service("web", "", 3));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 3; }, 100ms));
  EXPECT_EQ(mesh.data_plane.healthy(web_cluster), 3);
  const auto status = mesh.get("Service", "web")["status"];
  EXPECT_EQ(status["endpoints"]["ready"], 3);
  EXPECT_EQ(status["endpoints"]["total"], 3);
  EXPECT_EQ(status["addresses"][0]["url"],
            "http://" + mesh.provider.reserved.at("edge/default/web/80").to_string());
  EXPECT_EQ(mesh.condition("Deployment", "web", "Available"), "True MinimumReplicasAvailable");
  EXPECT_EQ(mesh.get("Deployment", "web")["status"]["observedGeneration"], 1);
  const auto pod = first_pod(mesh);
  EXPECT_EQ(pod["metadata"]["labels"]["weft.dev/workload"], "web");
  EXPECT_EQ(pod["status"]["phase"], "Running");
  EXPECT_EQ(mesh.store.list("EndpointSlice", "default").objects.size(), 3U);
}

TEST(InstanceLife, NothingIsWrittenOrDoneWhenNothingChanges) {
  Mesh mesh;
  mesh.apply(service("web", "", 2));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 2; }));
  mesh.pass(1s);
  const auto changes = mesh.store.changes;
  const auto publications = mesh.data_plane.publications;
  const auto asked = mesh.prober.asked;
  mesh.pass(60s);
  EXPECT_EQ(mesh.store.changes, changes);
  EXPECT_EQ(mesh.data_plane.publications, publications);
  EXPECT_LE(mesh.prober.asked - asked, 14) << "each is asked every periodSeconds";
}

TEST(InstanceLife, MoreChangesOfAKindThanAreKeptAreReadAnew) {
  Mesh mesh;
  mesh.store.kept_events = 4;
  mesh.apply(service("web") + "---\n" + service("cart"));
  // It has read what is stored, and reads nothing more before it knows what runs.
  mesh.provider.listing.clear();
  mesh.start_control_plane();
  for (int i = 0; i < 10; ++i) mesh.patch("Service", "web", "/metadata/labels", {{"n", std::to_string(i)}});
  mesh.remove("Service", "cart");
  mesh.apply(service("pay"));
  mesh.settle();
  mesh.provider.listing.set();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("pay") == 1; }));
  EXPECT_EQ(mesh.condition("Service", "pay", "Ready"), "True EndpointsReady");
  EXPECT_EQ(mesh.control_plane().status()["services"], 2) << "the one that was removed is known no more";
}

TEST(InstanceLife, ACrashLoopBacksOffAndSaysWhy) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.prober.failing = {"web"};
  mesh.start_control_plane();
  mesh.settle();
  std::vector<base::Duration> pauses;
  for (int i = 0; i < 9; ++i) {
    mesh.provider.end(mesh.provider.running("web").at(0), 3);
    const auto ended = mesh.clock.now();
    const auto starts = mesh.order("start").size();
    mesh.settle();
    if (i == 0) {
      EXPECT_EQ(mesh.condition("Deployment", "web", "Available"), "False Error") << "one end is no loop";
    }
    if (i == 1) {
      EXPECT_EQ(mesh.condition("Deployment", "web", "Available"), "False CrashLoopBackOff");
      EXPECT_THAT(mesh.message("Deployment", "web", "Available"), HasSubstr("exit code 3"));
      EXPECT_EQ(container_state(mesh)["state"]["waiting"]["reason"], "CrashLoopBackOff");
      EXPECT_EQ(container_state(mesh)["lastState"]["terminated"]["exitCode"], 3);
      EXPECT_EQ(mesh.condition("Service", "web", "Ready"), "False NoReadyEndpoints");
    }
    ASSERT_TRUE(mesh.until([&] { return mesh.order("start").size() > starts; }, 61s));
    pauses.push_back(mesh.clock.now() - ended);
  }
  EXPECT_THAT(pauses, ElementsAre(500ms, 1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s));
  EXPECT_EQ(mesh.provider.instances.size(), 1U) << "it is the same instance";
  EXPECT_EQ(container_state(mesh)["restartCount"], 9);

  mesh.prober.failing.clear();
  mesh.pass(61s);
  EXPECT_EQ(mesh.ready("web"), 1);
  mesh.provider.end(mesh.provider.running("web").at(0), {}, 9);
  const auto ended = mesh.clock.now();
  ASSERT_TRUE(mesh.until([&] { return !mesh.provider.running("web").empty(); }));
  EXPECT_EQ(mesh.clock.now() - ended, 500ms) << "it ran well for more than a minute";
  EXPECT_EQ(container_state(mesh)["lastState"]["terminated"]["signal"], 9);
}

TEST(InstanceLife, AnInstanceThatEndsGetsNoRequestsFromThenOn) {
  Mesh mesh;
  mesh.apply(service("web", "", 2));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 2; }));
  mesh.provider.end(mesh.provider.running("web").at(0), {}, 9);
  mesh.settle();
  EXPECT_EQ(mesh.data_plane.healthy(web_cluster), 1);
  EXPECT_EQ(mesh.condition("Service", "web", "Ready"), "True EndpointsReady") << "the other one is";
  ASSERT_TRUE(mesh.until([&] { return mesh.data_plane.healthy(web_cluster) == 2; }));
}

TEST(InstanceLife, AMissingImageIsTriedAgain) {
  Mesh mesh;
  mesh.provider.missing_images = {"image"};
  mesh.apply(service("web"));
  mesh.start_control_plane();
  mesh.pass(100ms);
  EXPECT_EQ(mesh.condition("Deployment", "web", "Available"), "False ImageNotFound");
  EXPECT_THAT(mesh.message("Deployment", "web", "Available"), HasSubstr("no image \"image\""));
  EXPECT_EQ(first_pod(mesh)["status"]["phase"], "Pending");
  EXPECT_EQ(container_state(mesh)["state"]["waiting"]["reason"], "ImageNotFound");
  mesh.provider.missing_images.clear();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  EXPECT_EQ(container_state(mesh)["restartCount"], 0);
}

TEST(InstanceLife, WhatIsStoredAndCannotBeRunKeepsNobodyFromStarting) {
  Mesh mesh;
  mesh.apply(service("bomb"));
  // As an older version may have stored it.
  auto variables = base::Json::array({{{"name", "A0"}, {"value", std::string(1000, 'x')}}});
  for (int i = 1; i < 30; ++i) {
    variables.push_back({{"name", fmt::format("A{}", i)}, {"value", fmt::format("$(A{0})$(A{0})", i - 1)}});
  }
  mesh.patch("Deployment", "bomb", "/spec/template/spec/containers/0/env", std::move(variables));
  mesh.apply(service("web"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  EXPECT_EQ(mesh.provider.specs.size(), 1U);
  mesh.remove("Deployment", "bomb");
  mesh.apply(deployment("bomb"));
  EXPECT_TRUE(mesh.until([&] { return mesh.ready("bomb") == 1; })) << "it can be deleted and made anew";
}

TEST(InstanceLife, OneThatIsNeverReadySaysWhy) {
  Mesh mesh;
  mesh.prober.failing = {"web"};
  mesh.apply(service("web"));
  mesh.start_control_plane();
  mesh.pass(5s);
  EXPECT_EQ(mesh.condition("Deployment", "web", "Available"), "False NotReady");
  EXPECT_THAT(mesh.message("Deployment", "web", "Available"), HasSubstr("connection refused"));
  EXPECT_EQ(mesh.data_plane.healthy(web_cluster), 0);
  EXPECT_LT(mesh.prober.asked, 60) << "the pauses grow";
}

TEST(InstanceLife, ReadinessIsLostAndFoundAgain) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  EXPECT_EQ(mesh.provider.instances.begin()->second.note, "ready 2023-11-14T22:13:20.000000Z");
  mesh.prober.failing = {"web"};
  mesh.pass(19s);
  EXPECT_EQ(mesh.ready("web"), 1) << "failureThreshold is 3";
  mesh.pass(12s);
  EXPECT_EQ(mesh.ready("web"), 0);
  EXPECT_EQ(mesh.provider.instances.begin()->second.note, "");
  EXPECT_EQ(mesh.condition("Service", "web", "Ready"), "False NoReadyEndpoints");
  EXPECT_THAT(mesh.data_plane.endpoints(web_cluster), ElementsAre(HasSubstr("unhealthy")));
  mesh.prober.failing.clear();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
}

TEST(InstanceLife, LivenessRestarts) {
  Mesh mesh;
  mesh.apply(
      deployment("web", 1, "image",
                 "        livenessProbe: {periodSeconds: 2, failureThreshold: 1, tcpSocket: {port: http}}"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  mesh.prober.failing = {"liveness web"};
  ASSERT_TRUE(mesh.until([&] { return mesh.order("stop").size() == 1; }));
  EXPECT_EQ(mesh.condition("Deployment", "web", "Available"), "False LivenessProbeFailed");
  mesh.prober.failing.clear();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  EXPECT_EQ(container_state(mesh)["restartCount"], 1);
}

TEST(InstanceLife, AStartupProbeHoldsTheOthersBackAndEndsWhatDoesNotStart) {
  Mesh mesh;
  mesh.apply(
      deployment("web", 1, "image",
                 "        startupProbe: {periodSeconds: 5, failureThreshold: 1, tcpSocket: {port: http}}"));
  mesh.prober.failing = {"liveness web"};
  mesh.start_control_plane();
  mesh.pass(4s);
  EXPECT_EQ(mesh.ready("web"), 0);
  EXPECT_THAT(mesh.order("stop"), IsEmpty());
  ASSERT_TRUE(mesh.until([&] { return mesh.order("stop").size() == 1; }, 7s));
  mesh.prober.failing.clear();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
}

TEST(Rolling, ReplacesOneAtATimeAndNeverHasFewerReady) {
  Mesh mesh;
  mesh.apply(service("web", "", 3, "one"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 3; }));
  mesh.data_plane.fewest_healthy.clear();
  mesh.apply(service("web", "", 3, "two"));
  const auto all_new = [&] {
    const auto ids = mesh.provider.running("web");
    return ids.size() == 3 &&
           std::ranges::all_of(ids, [&](const auto& id) { return mesh.provider.specs[id].image == "two"; });
  };
  ASSERT_TRUE(mesh.until(all_new));
  EXPECT_EQ(mesh.provider.most_running["web"], 4U);
  EXPECT_EQ(mesh.data_plane.fewest_healthy[web_cluster], 3);
  mesh.settle();
  EXPECT_EQ(mesh.get("Deployment", "web")["status"]["updatedReplicas"], 3);
  EXPECT_EQ(mesh.get("Deployment", "web")["status"]["replicas"], 3);
  EXPECT_EQ(mesh.condition("Deployment", "web", "Progressing"), "True NewReplicaSetAvailable");
  EXPECT_EQ(mesh.store.list("Pod", "default").objects.size(), 3U) << "no Pod of the old ones is left";
}

TEST(Rolling, ABrokenTemplateLeavesTheOldOnesServing) {
  Mesh mesh;
  mesh.provider.missing_images = {"broken"};
  mesh.apply(service("web", "", 2, "one"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 2; }));
  mesh.apply(service("web", "", 2, "broken"));
  mesh.pass(20s);
  EXPECT_EQ(mesh.data_plane.healthy(web_cluster), 2);
  mesh.apply(service("web", "", 2, "one"));
  mesh.pass(1s);
  EXPECT_EQ(mesh.provider.running("web").size(), 2U);
  EXPECT_EQ(mesh.get("Deployment", "web")["status"]["replicas"], 2);
}

TEST(Scaling, UpAndDown) {
  Mesh mesh;
  mesh.apply(service("web", "", 1));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  const auto eldest = mesh.provider.running("web");
  mesh.patch("Deployment", "web", "/spec/replicas", 4);
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 4; }));
  mesh.patch("Deployment", "web", "/spec/replicas", 1);
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  EXPECT_EQ(mesh.provider.running("web"), eldest) << "the youngest go first";
  mesh.pass(100ms);
  EXPECT_EQ(mesh.provider.instances.size(), 1U) << "they are forgotten";
  int inbound = 0;
  for (const auto& [key, address] : mesh.provider.reserved) inbound += key.starts_with("inbound/") ? 1 : 0;
  EXPECT_EQ(inbound, 1) << "their addresses are given back";
}

TEST(Service, ATargetPortThatNoContainerHasIsSaid) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.patch("Service", "web", "/spec/ports/0/targetPort", 9999);
  mesh.apply(service("caller", "{name: web, kind: Service}"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  EXPECT_EQ(mesh.condition("Service", "web", "Ready"), "False TargetPortMismatch");
  EXPECT_THAT(mesh.data_plane.endpoints(web_cluster), IsEmpty());
  EXPECT_THAT(mesh.message("Deployment", "caller", "DependenciesReady"), HasSubstr("targetPort"));
  mesh.patch("Service", "web", "/spec/ports/0/targetPort", 8080);
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("caller") == 1; }));
}

TEST(Service, IsReadyOnceTheProxyHasAcknowledgedIt) {
  Mesh mesh;
  mesh.data_plane.proxies = 0;
  mesh.apply(service("web"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  EXPECT_EQ(mesh.condition("Service", "web", "Ready"), "False NotProgrammed");
  EXPECT_EQ(mesh.message("Service", "web", "Ready"), "no proxy is connected");
  mesh.data_plane.proxies = 1;
  mesh.data_plane.answering.clear();
  mesh.pass(3s);
  EXPECT_EQ(mesh.condition("Service", "web", "Ready"), "False NotProgrammed");
  mesh.data_plane.answering.set();
  mesh.settle();
  EXPECT_EQ(mesh.condition("Service", "web", "Ready"), "True EndpointsReady");
  mesh.data_plane.refusal = "listener edge/default/web/80: no";
  mesh.apply(service("more"));
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("more") == 1; }));
  EXPECT_THAT(mesh.message("Service", "more", "Ready"),
              HasSubstr("refuses its configuration: listener edge"));
}

TEST(Service, APortThatSomebodyElseHasIsSaid) {
  Mesh mesh;
  mesh.provider.taken = {"edge/default/web/80"};
  mesh.apply(service("web"));
  mesh.apply(service("other"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  EXPECT_EQ(mesh.condition("Service", "web", "Ready"), "False AddressUnavailable");
  EXPECT_THAT(mesh.message("Service", "web", "Ready"), HasSubstr("nginx"));
  EXPECT_EQ(mesh.condition("Service", "other", "Ready"), "True EndpointsReady");
  mesh.provider.taken.clear();
  ASSERT_TRUE(mesh.until([&] { return mesh.condition("Service", "web", "Ready") == "True EndpointsReady"; }));
}

TEST(Service, AnInboundPortThatSomebodyElseHasIsSaid) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.provider.take_inbound = true;
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  EXPECT_EQ(mesh.condition("Service", "web", "Ready"), "False AddressUnavailable");
  mesh.provider.take_inbound = false;
  ASSERT_TRUE(mesh.until([&] { return mesh.condition("Service", "web", "Ready") == "True EndpointsReady"; }));
}

TEST(Status, IsWrittenLaterIfTheDiskIsFull) {
  Mesh mesh;
  mesh.store.is_full = true;
  mesh.apply(service("web"));
  mesh.start_control_plane();
  mesh.pass(5s);
  EXPECT_EQ(mesh.data_plane.healthy(web_cluster), 1) << "all else goes on";
  mesh.store.is_full = false;
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
}

TEST(Service, NotStartedIsNoFault) {
  Mesh mesh;
  mesh.apply(service("web", "", 0));
  mesh.start_control_plane();
  mesh.settle();
  EXPECT_EQ(mesh.condition("Service", "web", "Ready"), "False NotStarted");
  EXPECT_EQ(mesh.condition("Deployment", "web", "Available"), "False NotStarted");
  EXPECT_TRUE(mesh.provider.reserved.contains("edge/default/web/80")) << "its address is known before";
}

TEST(Service, ItsAddressIsGivenBackWhenItIsDeleted) {
  Mesh mesh;
  mesh.apply(service("web", "{name: cart, kind: Service, optional: true}"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  mesh.remove("Service", "web");
  mesh.remove("Deployment", "web");
  mesh.pass(1s);
  EXPECT_THAT(mesh.provider.reserved, IsEmpty());
  EXPECT_THAT(mesh.provider.instances, IsEmpty());
  EXPECT_THAT(mesh.store.list("Pod", {}).objects, IsEmpty());
  EXPECT_THAT(mesh.store.list("EndpointSlice", {}).objects, IsEmpty());
  EXPECT_THAT(mesh.data_plane.placed.at("local"), ElementsAre(snapshot::edge_context));
}

TEST(Provider, OneThatDoesNotExistIsSaid) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.patch("Deployment", "web", "/metadata/annotations", {{"weft.dev/provider", "moon"}});
  mesh.start_control_plane();
  mesh.pass(1s);
  EXPECT_EQ(mesh.condition("Deployment", "web", "Available"), "False ProviderNotFound");
  EXPECT_THAT(mesh.message("Deployment", "web", "Available"), HasSubstr("\"moon\""));
  EXPECT_THAT(mesh.order("start"), IsEmpty());
  mesh.apply(
      "apiVersion: weft.dev/v1alpha1\nkind: Provider\nmetadata: {name: moon}\nspec: {type: process}\n");
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
}

TEST(Provider, ItsLossEndsTheControlPlane) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.start_control_plane();
  mesh.settle();
  mesh.provider.lose();
  mesh.settle();
  ASSERT_TRUE(mesh.outcome());
  EXPECT_FALSE(mesh.outcome()->has_value());
}

}  // namespace
}  // namespace weft::control::reconcile::testing
