// TrafficPolicies: which holds for which Service, and what proxies are told of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "control/reconcile/testing_mesh_test.h"
#include "control/reconcile/testing_yaml_test.h"

namespace weft::control::reconcile::testing {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

std::string policy(const std::string& name, const std::string& target, const std::string& timeouts) {
  return "apiVersion: weft.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: " + name +
         "}\nspec:\n  targetRefs: [{kind: Service, name: " + target + "}]\n  timeouts: {" + timeouts + "}\n";
}

struct Limits {
  std::chrono::milliseconds request;
  std::chrono::milliseconds idle;
  std::chrono::milliseconds connect;
  std::string policy;

  friend bool operator==(const Limits&, const Limits&) = default;
};

/// Of the way from the edge to a Service's port 80.
Limits limits(const Mesh& mesh, const std::string& service) {
  const auto& edge = *mesh.data_plane.published.at(snapshot::edge_context);
  const auto& route =
      edge.routes.find("edge/default/" + service + "/80")->virtual_hosts.front().routes.front();
  const auto& forward = std::get<snapshot::Forward>(route.action);
  const auto* cluster = edge.clusters.find("outbound|80||" + service + ".default");
  return {forward.timeout, forward.idle_timeout, cluster->connect_timeout, cluster->policy};
}

constexpr Limits of_the_mesh() { return {15s, 300s, 5s, {}}; }

TEST(TrafficPolicy, HoldsOnTheWaysToItsServicesAndEndsWithIt) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.apply(service("cart"));
  mesh.start_control_plane();
  mesh.settle();
  EXPECT_EQ(limits(mesh, "web"), of_the_mesh());
  mesh.apply(policy("patient", "web", "request: 60s, idle: 1h, connect: 300ms"));
  mesh.settle();
  EXPECT_EQ(limits(mesh, "web"), (Limits{60s, 1h, 300ms, "default/patient"}));
  EXPECT_EQ(limits(mesh, "cart"), of_the_mesh());
  EXPECT_EQ(mesh.condition("TrafficPolicy", "patient", "Accepted"), "True Accepted");
  mesh.remove("TrafficPolicy", "patient");
  mesh.settle();
  EXPECT_EQ(limits(mesh, "web"), of_the_mesh());
}

TEST(TrafficPolicy, LeavesWhatItDoesNotSayToTheMesh) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.apply(
      "apiVersion: weft.dev/v1alpha1\nkind: MeshConfig\nmetadata: {name: default}\nspec: {requestTimeout: "
      "4s}\n");
  mesh.apply(policy("calls", "web", "connect: 1s"));
  mesh.start_control_plane();
  mesh.settle();
  EXPECT_EQ(limits(mesh, "web"), (Limits{4s, 300s, 1s, "default/calls"}));
}

/// The instance itself is connected to by its own chain.
TEST(TrafficPolicy, LimitsTheConnectionToTheInstanceToo) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.apply(policy("hasty", "web", "connect: 100ms"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  const auto& own = *mesh.data_plane.published.at({"default", "web"});
  EXPECT_EQ(own.clusters[0].connect_timeout, 100ms);
}

/// A limit below a millisecond is one, not none.
TEST(TrafficPolicy, RoundsUp) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.apply(policy("hasty", "web", "request: 1us, connect: 1us"));
  mesh.start_control_plane();
  mesh.settle();
  EXPECT_EQ(limits(mesh, "web"), (Limits{1ms, 300s, 1ms, "default/hasty"}));
}

TEST(TrafficPolicy, OfNoLimitForRequestsHasNoneForPausesUnlessItSaysSo) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.apply(service("cart"));
  mesh.apply(policy("web", "web", "request: 0s"));
  mesh.apply(policy("cart", "cart", "request: 0s, idle: 2s"));
  mesh.start_control_plane();
  mesh.settle();
  EXPECT_EQ(limits(mesh, "web"), (Limits{0s, 0s, 5s, "default/web"}));
  EXPECT_EQ(limits(mesh, "cart"), (Limits{0s, 2s, 5s, "default/cart"}));
}

TEST(TrafficPolicy, TheOldestHolds) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.start_control_plane();
  mesh.apply(policy("z", "web", "request: 1s"));
  mesh.pass(2s);
  mesh.apply(policy("a", "web", "request: 2s"));
  mesh.settle();
  EXPECT_EQ(limits(mesh, "web").policy, "default/z");
  EXPECT_EQ(mesh.condition("TrafficPolicy", "z", "Accepted"), "True Accepted");
  EXPECT_EQ(mesh.condition("TrafficPolicy", "a", "Accepted"), "False Conflicted");
  EXPECT_THAT(mesh.message("TrafficPolicy", "a", "Accepted"), HasSubstr("TrafficPolicy default/z"));
  mesh.remove("TrafficPolicy", "z");
  mesh.settle();
  EXPECT_EQ(limits(mesh, "web").request, 2s);
  EXPECT_EQ(mesh.condition("TrafficPolicy", "a", "Accepted"), "True Accepted");
}

TEST(TrafficPolicy, SaysThatItsServiceIsNotThere) {
  Mesh mesh;
  mesh.start_control_plane();
  mesh.apply(policy("early", "web", "request: 1s"));
  mesh.settle();
  EXPECT_EQ(mesh.condition("TrafficPolicy", "early", "Accepted"), "False TargetNotFound");
  mesh.apply(service("web"));
  mesh.settle();
  EXPECT_EQ(mesh.condition("TrafficPolicy", "early", "Accepted"), "True Accepted");
  EXPECT_EQ(limits(mesh, "web").request, 1s);
  mesh.remove("Service", "web");
  mesh.settle();
  EXPECT_EQ(mesh.condition("TrafficPolicy", "early", "Accepted"), "False TargetNotFound");
}

TEST(TrafficPolicy, NamesAllThatKeepsItFromBeingAccepted) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.start_control_plane();
  mesh.apply(policy("first", "web", "request: 1s"));
  mesh.pass(2s);
  mesh.apply(
      policy("second", "gone}, {kind: Service, name: web}, {kind: Service, name: lost", "request: 2s"));
  mesh.settle();
  EXPECT_EQ(mesh.condition("TrafficPolicy", "second", "Accepted"), "False Conflicted");
  const auto message = mesh.message("TrafficPolicy", "second", "Accepted");
  for (const auto* part :
       {"there is no Service gone", "default/first holds for Service web", "no Service lost"})
    EXPECT_THAT(message, HasSubstr(part));
}

snapshot::ListenerProtocol edge_protocol(Mesh& mesh) {
  return mesh.data_plane.published.at(snapshot::edge_context)
      ->listeners.find("edge/default/web/80")
      ->protocol;
}

/// A port that says nothing takes what comes, unless something holds for requests: nothing gets around that.
TEST(TrafficPolicy, WhoseRequestsAreLimitedHasNothingElse) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.apply(policy("patient", "web", "idle: 1m"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  const auto own = [&] { return mesh.data_plane.published.at({"default", "web"})->listeners[0].protocol; };
  EXPECT_EQ(edge_protocol(mesh), snapshot::ListenerProtocol::automatic);
  EXPECT_EQ(own(), snapshot::ListenerProtocol::automatic);
  mesh.remove("TrafficPolicy", "patient");
  mesh.apply(policy("limited", "web", "request: 1s"));
  mesh.settle();
  EXPECT_EQ(edge_protocol(mesh), snapshot::ListenerProtocol::http);
  EXPECT_EQ(own(), snapshot::ListenerProtocol::http);
  mesh.remove("TrafficPolicy", "limited");
  mesh.apply(policy("unlimited", "web", "request: 0s"));
  mesh.settle();
  EXPECT_EQ(edge_protocol(mesh), snapshot::ListenerProtocol::automatic);
}

TEST(Ports, ThatAreProbedByHttpHaveNothingElse) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.start_control_plane();
  mesh.settle();
  EXPECT_EQ(edge_protocol(mesh), snapshot::ListenerProtocol::automatic);
  mesh.apply(deployment("web", 1, "image", "        livenessProbe: {httpGet: {port: 8080}}"));
  mesh.settle();
  EXPECT_EQ(edge_protocol(mesh), snapshot::ListenerProtocol::http);
}

TEST(Ports, WhatTheirAppProtocolSaysIsInTheirEndpointSlicesToo) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.patch("Service", "web", "/spec/ports/0/appProtocol", "grpc");
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  const auto slices = mesh.store.list("EndpointSlice", "default").objects;
  ASSERT_EQ(slices.size(), 1U);
  EXPECT_EQ(slices[0]->at("ports").at(0).at("appProtocol"), "grpc");
  const auto& edge = *mesh.data_plane.published.at(snapshot::edge_context);
  EXPECT_EQ(edge.clusters.find("outbound|80||web.default")->protocol, snapshot::ClusterProtocol::http2);
  EXPECT_EQ(edge_protocol(mesh), snapshot::ListenerProtocol::http);
}

/// Of a TCP connection the pause both ways, at the caller's side alone.
TEST(TrafficPolicy, IdleHoldsForTcp) {
  Mesh mesh;
  mesh.apply(service("db"));
  mesh.patch("Service", "db", "/spec/ports/0/name", "tcp");
  mesh.apply(policy("long", "db", "idle: 24h"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("db") == 1; }));
  const auto& edge = *mesh.data_plane.published.at(snapshot::edge_context);
  EXPECT_EQ(edge.listeners.find("edge/default/db/80")->opaque_idle_timeout, 24h);
  const auto& own = *mesh.data_plane.published.at({"default", "db"});
  EXPECT_EQ(own.listeners[0].opaque_idle_timeout, 0s);
}

}  // namespace
}  // namespace weft::control::reconcile::testing
