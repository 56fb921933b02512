// Starting by the dependency graph: order, gates and what they say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/reconcile/testing_mesh_test.h"
#include "control/reconcile/testing_yaml_test.h"

namespace weft::control::reconcile::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using namespace std::chrono_literals;

TEST(StartOrder, IsTheDependencyOrder) {
  Mesh mesh;
  mesh.prober.failing = {"db"};
  mesh.apply(service("web", "{name: cart, kind: Service}"));
  mesh.apply(service("cart", "{name: db, kind: Service}"));
  mesh.apply(service("db"));
  mesh.start_control_plane();
  mesh.pass(5s);
  EXPECT_THAT(mesh.order("start"), ElementsAre("db"));
  EXPECT_EQ(mesh.condition("Deployment", "cart", "DependenciesReady"), "Unknown DependencyNotReady");
  EXPECT_THAT(mesh.message("Deployment", "cart", "DependenciesReady"),
              HasSubstr("Service default/db to be ready"));
  EXPECT_EQ(mesh.condition("Service", "web", "DependenciesReady"), "Unknown DependencyNotReady");
  EXPECT_EQ(mesh.condition("Service", "web", "Ready"), "False DependencyNotReady");
  mesh.prober.failing.clear();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  EXPECT_THAT(mesh.order("start"), ElementsAre("db", "cart", "web"));
  EXPECT_EQ(mesh.condition("Deployment", "web", "DependenciesReady"), "True Satisfied");
  EXPECT_EQ(mesh.condition("Service", "web", "Ready"), "True EndpointsReady");
}

TEST(StartOrder, AnInstanceStartsOnceItsProxyKnowsWhatItNeedsHoweverLateThatIs) {
  Mesh mesh;
  mesh.apply(service("web", "{name: db, kind: Service}"));
  mesh.apply(service("db"));
  // A first pass waits for an address while db becomes ready, whose inbound listener needs one too.
  mesh.provider.held_reservations = "edge/";
  std::vector<std::size_t> known;
  mesh.provider.on_start = [&](const provider::InstanceSpec& spec) {
    if (!spec.id.starts_with("default/web-")) return;
    const auto snapshot = mesh.data_plane.published.at({"default", "web"});
    known.push_back(snapshot->clusters.find("outbound|80||db.default")->endpoints.size());
  };
  mesh.start_control_plane();
  mesh.pass(1s);
  ASSERT_THAT(mesh.order("start"), ElementsAre("db"));
  mesh.provider.reserving.set();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  EXPECT_THAT(known, ElementsAre(1));
}

TEST(StartOrder, IsParallelWhereTheGraphAllowsIt) {
  Mesh mesh;
  mesh.prober.failing = {"a", "b"};
  mesh.apply(service("top", "{name: a, kind: Service}, {name: b, kind: Deployment}"));
  mesh.apply(service("a"));
  mesh.apply(service("b"));
  mesh.start_control_plane();
  mesh.settle();
  EXPECT_THAT(mesh.order("start"), UnorderedElementsAre("a", "b"));
  mesh.prober.failing = {"b"};
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("a") == 1; }));
  EXPECT_THAT(mesh.order("start"), UnorderedElementsAre("a", "b")) << "both are needed";
  mesh.prober.failing.clear();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("top") == 1; }));
}

TEST(StartOrder, OfStartedNeedsTheProcessAlone) {
  Mesh mesh;
  mesh.prober.failing = {"db"};
  mesh.apply(service("web", "{name: db, kind: Service, condition: started}"));
  mesh.apply(service("db"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  EXPECT_THAT(mesh.order("start"), ElementsAre("db", "web"));
}

TEST(StartOrder, OptionalNeverWaits) {
  Mesh mesh;
  mesh.prober.failing = {"ads"};
  mesh.apply(service(
      "web", "{name: ads, kind: Service, optional: true}, {name: none, kind: Service, optional: true}"));
  mesh.apply(service("ads"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  EXPECT_EQ(mesh.condition("Deployment", "web", "DependenciesReady"), "True Satisfied");
}

TEST(StartOrder, WaitsForWhatDoesNotExistYet) {
  Mesh mesh;
  mesh.apply(service("web", "{name: cart, kind: Service}"));
  mesh.start_control_plane();
  mesh.pass(1s);
  EXPECT_THAT(mesh.order("start"), IsEmpty());
  EXPECT_EQ(mesh.condition("Deployment", "web", "DependenciesReady"), "Unknown DependencyMissing");
  EXPECT_THAT(mesh.message("Service", "web", "DependenciesReady"),
              HasSubstr("Service default/cart does not exist"));
  mesh.apply(service("cart"));
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
}

TEST(StartOrder, AServiceWithoutWorkloadSaysWhatItWaitsFor) {
  Mesh mesh;
  mesh.apply(R"(
apiVersion: v1
kind: Service
metadata: {name: simple-web-service}
spec:
  selector: {app: simple-web-service}
  ports: [{name: http, port: 80, targetPort: 8080}]
  dependsOn: [{name: simple-web-service-deployment, kind: Deployment}]
)");
  mesh.start_control_plane();
  mesh.settle();
  EXPECT_EQ(mesh.condition("Service", "simple-web-service", "Ready"), "False DependencyMissing");
  EXPECT_THAT(mesh.message("Service", "simple-web-service", "Ready"),
              HasSubstr("Deployment default/simple-web-service-deployment does not exist"));
  EXPECT_EQ(mesh.get("Service", "simple-web-service")["status"]["addresses"][0]["port"], 80);
}

TEST(StartOrder, TimeoutTurnsTheConditionFalseAndWaitingGoesOn) {
  Mesh mesh;
  mesh.prober.failing = {"db"};
  mesh.apply(service("web", "{name: db, kind: Service, timeout: 30s}"));
  mesh.apply(service("db"));
  mesh.start_control_plane();
  mesh.pass(29s);
  EXPECT_EQ(mesh.condition("Deployment", "web", "DependenciesReady"), "Unknown DependencyNotReady");
  mesh.pass(1100ms);
  EXPECT_EQ(mesh.condition("Deployment", "web", "DependenciesReady"), "False DependencyTimeout");
  EXPECT_THAT(mesh.message("Deployment", "web", "DependenciesReady"), HasSubstr("for more than 30s"));
  mesh.prober.failing.clear();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  EXPECT_EQ(mesh.condition("Deployment", "web", "DependenciesReady"), "True Satisfied");
}

TEST(StartOrder, ACycleIsPrinted) {
  Mesh mesh;
  mesh.apply(service("a", "{name: b, kind: Service}"));
  mesh.apply(service("b", "{name: a, kind: Service}"));
  mesh.apply(service("c", "{name: a, kind: Service}"));
  mesh.start_control_plane();
  mesh.pass(1s);
  EXPECT_THAT(mesh.order("start"), IsEmpty());
  for (const auto* name : {"a", "b", "c"}) {
    EXPECT_EQ(mesh.condition("Deployment", name, "DependenciesReady"), "False DependencyCycle");
    EXPECT_THAT(mesh.message("Deployment", name, "DependenciesReady"), HasSubstr("->"));
  }
}

TEST(StartOrder, WaitsForAJobToComplete) {
  Mesh mesh;
  mesh.apply(service("web", "{name: migrate, kind: Job}"));
  mesh.apply(job("migrate"));
  mesh.start_control_plane();
  mesh.pass(1s);
  EXPECT_THAT(mesh.order("start"), ElementsAre("migrate"));
  mesh.provider.end(mesh.provider.running("migrate").at(0), 0);
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
}

TEST(StartOrder, WhatRunsIsNotStoppedWhenADependencyFailsLater) {
  Mesh mesh;
  mesh.apply(service("web", "{name: db, kind: Service}"));
  mesh.apply(service("db"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  mesh.remove("Service", "db");
  mesh.remove("Deployment", "db");
  mesh.pass(5s);
  EXPECT_EQ(mesh.ready("web"), 1);
  EXPECT_EQ(mesh.condition("Deployment", "web", "DependenciesReady"), "False DependencyMissing");
  mesh.provider.end(mesh.provider.running("web").at(0), {}, 9);
  ASSERT_TRUE(mesh.until([&] { return mesh.order("start").size() == 3; })) << "it is restarted too";
}

TEST(StartOrder, TellsTheAddressesOfDependenciesAlsoOfThoseThatDoNotExist) {
  Mesh mesh;
  mesh.apply(service("web", "{name: cart-api, kind: Service, optional: true}, {name: db, kind: Service}"));
  mesh.apply(service("db"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  const auto id = mesh.provider.running("web").at(0);
  const auto& variables = mesh.provider.specs.at(id).environment;
  const std::map<std::string, std::string> environment(variables.begin(), variables.end());
  const auto address = mesh.provider.reserved.at("outbound/default/web/default/cart-api");
  EXPECT_EQ(environment.at("CART_API_SERVICE_HOST"), "127.0.0.1");
  EXPECT_EQ(environment.at("CART_API_SERVICE_PORT"), std::to_string(address.port()));
  EXPECT_EQ(environment.at("CART_API_URL"), "http://" + address.to_string());
  EXPECT_TRUE(environment.contains("DB_URL"));
  EXPECT_EQ(environment.at("OWN"), "value");
  mesh.apply(service("cart-api"));
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("cart-api") == 1; }));
  EXPECT_THAT(mesh.provider.running("web"), ElementsAre(id)) << "it knows the address already";
}

TEST(StartOrder, ANewDependencyReplacesInstancesThatDoNotKnowIt) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  const auto before = mesh.provider.running("web").at(0);
  mesh.apply(service("cart"));
  mesh.apply(service("web", "{name: cart, kind: Service}"));
  ASSERT_TRUE(mesh.until([&] {
    const auto now = mesh.provider.running("web");
    return now.size() == 1 && now[0] != before;
  }));
  mesh.apply(service("web"));
  mesh.pass(2s);
  EXPECT_EQ(mesh.order("start").size(), 3U) << "one less is no reason";
}

}  // namespace
}  // namespace weft::control::reconcile::testing
