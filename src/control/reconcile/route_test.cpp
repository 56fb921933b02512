// HTTPRoutes: what proxies are told of them, and what their status says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "control/reconcile/route_status.h"
#include "control/reconcile/testing_mesh_test.h"
#include "control/reconcile/testing_yaml_test.h"

namespace weft::control::reconcile::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

std::string route(const std::string& name, const std::string& parent, const std::string& backends) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: " + name +
         "}\nspec:\n  parentRefs: [{group: \"\", kind: Service, " + parent + "}]\n  rules: [{backendRefs: [" +
         backends + "]}]\n";
}

/// "True Accepted" of the route's first parent.
std::string condition(Mesh& mesh, const std::string& name, std::size_t index, bool with_message = false) {
  const auto object = mesh.store.get({"HTTPRoute", "default", name});
  const auto& parents = object->at("status").at("parents");
  const auto& found = parents.back().at("conditions").at(index);
  return found.at("status").get<std::string>() + " " + found.at("reason").get<std::string>() +
         (with_message ? " " + found.at("message").get<std::string>() : "");
}

using Names = std::vector<std::string>;

/// The clusters that requests to a listener may go to.
Names led_to(const snapshot::Snapshot& snapshot, const std::string& listener) {
  Names names;
  for (const auto& host : snapshot.routes.find(listener)->virtual_hosts)
    for (const auto& one : host.routes)
      for (const auto& target : std::get<snapshot::Forward>(one.action).to) names.push_back(target.cluster);
  return names;
}

const std::string web = "outbound|80||web.default";
const std::string canary = "outbound|80||canary.default";

TEST(HTTPRoute, GovernsTheEdgeAndMeshCallersAlike) {
  Mesh mesh;
  for (const auto* name : {"web", "canary", "shop"}) mesh.apply(service(name));
  mesh.patch("Service", "shop", "/spec/dependsOn", base::Json::array({{{"name", "web"}}}));
  mesh.start_control_plane();
  mesh.settle();
  const auto edge = [&]() -> const snapshot::Snapshot& {
    return *mesh.data_plane.published.at(snapshot::edge_context);
  };
  const auto shop = [&]() -> const snapshot::Snapshot& {
    return *mesh.data_plane.published.at({"default", "shop"});
  };
  const std::string call = "outbound/default/shop/default/web";
  EXPECT_EQ(shop().clusters.find(canary), nullptr);
  mesh.apply(route("split", "name: web", "{name: web, port: 80, weight: 9}, {name: canary, port: 80}"));
  mesh.settle();
  EXPECT_THAT(led_to(edge(), "edge/default/web/80"), ElementsAre(web, canary));
  EXPECT_THAT(led_to(shop(), call), ElementsAre(web, canary));
  EXPECT_NE(shop().clusters.find(canary), nullptr) << "through the Service that it declares";
  EXPECT_EQ(shop().listeners.find("outbound/default/shop/default/canary"), nullptr);
  EXPECT_EQ(condition(mesh, "split", 0), "True Accepted");
  EXPECT_EQ(condition(mesh, "split", 1), "True ResolvedRefs");
  // A port that says nothing has requests alone then, so that nothing gets around the route.
  EXPECT_EQ(edge().listeners.find("edge/default/web/80")->protocol, snapshot::ListenerProtocol::http);
  EXPECT_EQ(edge().listeners.find("edge/default/canary/80")->protocol, snapshot::ListenerProtocol::automatic);
  mesh.remove("HTTPRoute", "split");
  mesh.settle();
  EXPECT_THAT(led_to(edge(), "edge/default/web/80"), ElementsAre(web));
  EXPECT_EQ(shop().clusters.find(canary), nullptr);
}

TEST(HTTPRoute, FollowsItsBackends) {
  Mesh mesh;
  for (const auto* name : {"web", "shop"}) mesh.apply(service(name));
  mesh.patch("Service", "shop", "/spec/dependsOn", base::Json::array({{{"name", "web"}}}));
  mesh.apply(route("split", "name: web", "{name: web, port: 80}, {name: canary, port: 80}"));
  mesh.start_control_plane();
  mesh.settle();
  const auto shop = [&]() -> const snapshot::Snapshot& {
    return *mesh.data_plane.published.at({"default", "shop"});
  };
  EXPECT_EQ(condition(mesh, "split", 0), "True Accepted");
  EXPECT_EQ(condition(mesh, "split", 1), "False BackendNotFound");
  EXPECT_THAT(condition(mesh, "split", 1, true), HasSubstr("no Service canary with the port 80"));
  EXPECT_EQ(shop().clusters.find(canary), nullptr);
  mesh.apply(service("canary"));
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("canary") == 1; }));
  EXPECT_EQ(condition(mesh, "split", 1), "True ResolvedRefs");
  ASSERT_NE(shop().clusters.find(canary), nullptr);
  EXPECT_EQ(shop().clusters.find(canary)->endpoints.size(), 1U);
  mesh.patch("Service", "canary", "/spec/ports/0/port", 81);
  mesh.settle();
  EXPECT_EQ(condition(mesh, "split", 1), "False BackendNotFound");
  EXPECT_EQ(shop().clusters.find(canary), nullptr);
  mesh.remove("Service", "web");
  mesh.settle();
  EXPECT_EQ(condition(mesh, "split", 0), "False NoMatchingParent");
}

TEST(HTTPRoute, SaysWhyItGovernsNothing) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.apply(service("db"));
  mesh.patch("Service", "db", "/spec/ports/0/appProtocol", "tcp");
  mesh.apply(
      "apiVersion: weft.dev/v1alpha1\nkind: ExternalService\nmetadata: {name: mail}\nspec: {addresses: "
      "[192.0.2.1], ports: [{port: 80}]}\n");
  mesh.start_control_plane();
  struct Case {
    std::string parent, message;
  };
  for (const auto& [parent, message] :
       std::vector<Case>{{"name: gone", "there is no Service gone"},
                         {"name: web, port: 81", "Service web has no port 81"},
                         {"name: web, sectionName: x", "Service web has no port x"},
                         {"name: db", "is carried as TCP"},
                         {"name: mail", "is an ExternalService"}}) {
    mesh.apply(route("r", parent, "{name: web, port: 80}"));
    mesh.settle();
    EXPECT_THAT(condition(mesh, "r", 0, true), HasSubstr("False NoMatchingParent")) << parent;
    EXPECT_THAT(condition(mesh, "r", 0, true), HasSubstr(message)) << parent;
    EXPECT_EQ(condition(mesh, "r", 1), "True ResolvedRefs") << parent;
  }
}

/// Of two with the same match the older holds, whichever comes first in the store.
TEST(HTTPRoute, TheOldestGoesBefore) {
  Mesh mesh;
  for (const auto* name : {"web", "canary"}) mesh.apply(service(name));
  mesh.start_control_plane();
  mesh.apply(route("z", "name: web", "{name: web, port: 80}"));
  mesh.pass(2s);
  mesh.apply(route("a", "name: web", "{name: canary, port: 80}"));
  mesh.settle();
  EXPECT_THAT(led_to(*mesh.data_plane.published.at(snapshot::edge_context), "edge/default/web/80"),
              ElementsAre(web, canary));
  EXPECT_EQ(condition(mesh, "a", 0), "True Accepted");
}

/// A Kubernetes API server keeps what Gateway API's RouteStatus has, and prunes all else.
TEST(HTTPRoute, ItsStatusIsGatewayApisAndLeavesThatOfOthers) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.start_control_plane();
  mesh.apply(route("r", "name: web, port: 80", "{name: web, port: 80}"));
  mesh.settle();
  const auto object = mesh.store.get({"HTTPRoute", "default", "r"});
  const auto& status = object->at("status");
  EXPECT_EQ(status.size(), 1U) << status;
  const auto& parent = status.at("parents").at(0);
  EXPECT_EQ(parent.at("parentRef"),
            base::Json({{"group", ""}, {"kind", "Service"}, {"name", "web"}, {"port", 80}}));
  EXPECT_EQ(parent.at("controllerName"), controller_name);
  EXPECT_EQ(parent.size(), 3U);
  for (const auto& one : parent.at("conditions")) {
    EXPECT_EQ(one.at("observedGeneration"), object->at("metadata").at("generation"));
    EXPECT_EQ(one.size(), 6U) << one;
  }
  base::Json with_other = *object;
  with_other["status"]["parents"].insert(with_other["status"]["parents"].begin(),
                                         base::Json{{"parentRef", {{"name", "gw"}}},
                                                    {"controllerName", "example.com/gateway"},
                                                    {"conditions", base::Json::array()}});
  const auto world_status = [&](const base::Json& from) {
    World world;
    world.put({"HTTPRoute", "default", "r"}, std::make_shared<const base::Json>(from));
    world.refresh_graph();
    return route_status(world, *world.routes().find({"HTTPRoute", "default", "r"}), from, base::WallTime{});
  };
  const auto made = world_status(with_other);
  ASSERT_EQ(made.at("parents").size(), 2U);
  EXPECT_EQ(made.at("parents").at(0).at("controllerName"), "example.com/gateway");
  EXPECT_EQ(made.at("parents").at(1).at("controllerName"), controller_name);
}

TEST(TrafficPolicy, ChoosesTheBalancer) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.apply(
      "apiVersion: weft.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: busy}\nspec: {targetRefs: "
      "[{kind: "
      "Service, name: web}], loadBalancing: LeastRequest}\n");
  mesh.start_control_plane();
  mesh.settle();
  const auto balancer = [&] {
    return mesh.data_plane.published.at(snapshot::edge_context)->clusters.find(web)->load_balancing;
  };
  EXPECT_EQ(balancer(), snapshot::LoadBalancing::least_request);
  mesh.remove("TrafficPolicy", "busy");
  mesh.settle();
  EXPECT_EQ(balancer(), snapshot::LoadBalancing::round_robin);
}

}  // namespace
}  // namespace weft::control::reconcile::testing
