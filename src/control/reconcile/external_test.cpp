// ExternalServices: what weft does not run, but depends on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "control/reconcile/testing_mesh_test.h"
#include "control/reconcile/testing_yaml_test.h"
#include "control/reconcile/world.h"
#include "model/load.h"

namespace weft::control::reconcile::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

std::string external(const std::string& where, const std::string& port = "{port: 5432, targetPort: 15432}") {
  return "apiVersion: weft.dev/v1alpha1\nkind: ExternalService\nmetadata: {name: db}\nspec: {" + where +
         ", ports: [" + port + "]}\n";
}

runtime::HostAddresses host(const std::vector<std::string>& ips, base::Duration ttl) {
  runtime::HostAddresses made{.addresses = {}, .ttl = ttl};
  for (const auto& ip : ips) made.addresses.push_back(*base::Address::parse_ip(ip, 0));
  return made;
}

/// "192.0.2.1:15432 healthy" of the cluster that callers of db have.
std::vector<std::string> endpoints(const Mesh& mesh) {
  std::vector<std::string> all;
  const auto* cluster =
      mesh.data_plane.published.at(snapshot::edge_context)->clusters.find("outbound|5432||db.default");
  for (const auto& endpoint : cluster->endpoints)
    all.push_back(endpoint.address.to_string() +
                  (endpoint.health == snapshot::Health::healthy ? " healthy" : " unhealthy"));
  return all;
}

TEST(External, IsWaitedForAndKnownByItsVariables) {
  Mesh mesh;
  mesh.prober.failing = {"db"};
  mesh.apply(external("addresses: [192.0.2.1]"));
  mesh.apply(service("web", "{name: db}"));
  mesh.start_control_plane();
  mesh.pass(2s);
  EXPECT_THAT(mesh.order("start"), IsEmpty());
  EXPECT_EQ(mesh.condition("Deployment", "web", "DependenciesReady"), "Unknown DependencyNotReady");
  EXPECT_THAT(mesh.message("Deployment", "web", "DependenciesReady"), HasSubstr("connection refused"));
  EXPECT_EQ(mesh.condition("ExternalService", "db", "Ready"), "False NoReadyEndpoints");
  EXPECT_THAT(endpoints(mesh), ElementsAre("192.0.2.1:15432 unhealthy"));
  mesh.prober.failing.clear();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  EXPECT_EQ(mesh.condition("ExternalService", "db", "Ready"), "True EndpointsReady");
  EXPECT_THAT(endpoints(mesh), ElementsAre("192.0.2.1:15432 healthy"));
  bool is_told = false;
  for (const auto& [name, value] : mesh.provider.specs.begin()->second.environment)
    is_told |= name == "DB_SERVICE_HOST" && value == "127.0.0.1";
  EXPECT_TRUE(is_told);
}

/// Who does not depend on it has no way to it.
TEST(External, HasNoAddressAtTheEdge) {
  Mesh mesh;
  mesh.apply(external("addresses: [192.0.2.1]"));
  mesh.start_control_plane();
  mesh.pass(1s);
  EXPECT_TRUE(mesh.data_plane.published.at(snapshot::edge_context)->listeners.empty());
  EXPECT_THAT(mesh.provider.reserved, IsEmpty());
}

TEST(External, FollowsItsNameAsLongAsAnAnswerHolds) {
  Mesh mesh;
  mesh.prober.hosts["db.test"] = host({"192.0.2.1", "192.0.2.2"}, 30s);
  mesh.apply(external("host: db.test"));
  mesh.start_control_plane();
  mesh.pass(1s);
  EXPECT_THAT(endpoints(mesh), ElementsAre("192.0.2.1:15432 healthy", "192.0.2.2:15432 healthy"));
  mesh.prober.hosts["db.test"] = host({"192.0.2.2", "192.0.2.3"}, 30s);
  mesh.pass(25s);
  EXPECT_THAT(endpoints(mesh), ElementsAre("192.0.2.1:15432 healthy", "192.0.2.2:15432 healthy"));
  mesh.pass(10s);
  EXPECT_THAT(endpoints(mesh), ElementsAre("192.0.2.2:15432 healthy", "192.0.2.3:15432 healthy"));
}

TEST(External, KeepsItsAddressesWhileNoServerAnswers) {
  Mesh mesh;
  mesh.prober.hosts["db.test"] = host({"192.0.2.1"}, 5s);
  mesh.apply(external("host: db.test"));
  mesh.start_control_plane();
  mesh.pass(1s);
  mesh.prober.hosts.clear();
  mesh.pass(60s);
  EXPECT_THAT(endpoints(mesh), ElementsAre("192.0.2.1:15432 healthy"));
  EXPECT_EQ(mesh.condition("ExternalService", "db", "Ready"), "True EndpointsReady");
}

TEST(External, SaysThatItsNameIsUnknown) {
  Mesh mesh;
  mesh.apply(external("host: db.test"));
  mesh.apply(service("web", "{name: db}"));
  mesh.start_control_plane();
  mesh.pass(1s);
  EXPECT_EQ(mesh.condition("ExternalService", "db", "Ready"), "False NotResolved");
  EXPECT_EQ(mesh.message("ExternalService", "db", "Ready"), "db.test: no such host");
  mesh.prober.hosts["db.test"] = host({"192.0.2.1"}, 5s);
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
}

/// One lost probe takes nothing away.
TEST(External, IsNotReadyAfterFailuresInARow) {
  Mesh mesh;
  mesh.apply(external("addresses: [192.0.2.1]"));
  mesh.start_control_plane();
  mesh.pass(1s);
  mesh.prober.failing = {"db"};
  mesh.pass(9500ms);
  EXPECT_THAT(endpoints(mesh), ElementsAre("192.0.2.1:15432 healthy"));
  mesh.pass(2s);
  EXPECT_THAT(endpoints(mesh), ElementsAre("192.0.2.1:15432 unhealthy"));
}

/// What goes on to fail is no news.
TEST(External, ThatKeepsFailingCostsItsProbesAlone) {
  Mesh mesh;
  mesh.prober.failing = {"db"};
  mesh.apply(external("addresses: [192.0.2.1]"));
  mesh.apply(service("web", "{name: db}"));
  mesh.start_control_plane();
  mesh.pass(20s);
  const auto before = mesh.control_plane().work();
  const int asked = mesh.prober.asked;
  mesh.pass(60s);
  EXPECT_GT(mesh.prober.asked, asked + 10);
  EXPECT_EQ(mesh.control_plane().work().publications, before.publications);
  EXPECT_EQ(mesh.control_plane().work().reports, before.reports);
}

TEST(External, IsAskedAtItsOwnPaceHoweverShortItsTtl) {
  Mesh mesh;
  mesh.prober.hosts["db.test"] = host({"192.0.2.1"}, 1s);
  mesh.apply(external("host: db.test"));
  mesh.start_control_plane();
  mesh.pass(5s);
  const int asked = mesh.prober.asked;
  mesh.pass(100s);
  EXPECT_LE(mesh.prober.asked - asked, 10);
  EXPECT_GE(mesh.prober.asked - asked, 9);
}

TEST(External, IsAskedWhileItsNameIsLookedUp) {
  Mesh mesh;
  mesh.prober.hosts["db.test"] = host({"192.0.2.1"}, 5s);
  mesh.apply(external("host: db.test"));
  mesh.start_control_plane();
  mesh.pass(1s);
  mesh.prober.resolving.clear();
  mesh.pass(10s);
  mesh.prober.failing = {"db"};
  mesh.pass(20s);
  EXPECT_THAT(endpoints(mesh), ElementsAre("192.0.2.1:15432 unhealthy"));
  mesh.prober.hosts["db.test"] = host({"192.0.2.2"}, 5s);
  mesh.prober.failing.clear();
  mesh.prober.resolving.set();
  mesh.settle();
  EXPECT_THAT(endpoints(mesh), ElementsAre("192.0.2.2:15432 healthy"));
}

TEST(External, WhoseNewAddressFailsIsAskedAgainSoon) {
  Mesh mesh;
  mesh.prober.hosts["db.test"] = host({"192.0.2.1"}, 30s);
  mesh.apply(external("host: db.test"));
  mesh.start_control_plane();
  mesh.pass(25s);
  mesh.prober.hosts["db.test"] = host({"192.0.2.2"}, 1h);
  mesh.prober.failing = {"db"};
  ASSERT_TRUE(mesh.until([&] { return endpoints(mesh).at(0) == "192.0.2.2:15432 unhealthy"; }));
  mesh.prober.failing.clear();
  EXPECT_TRUE(mesh.until([&] { return endpoints(mesh).at(0) == "192.0.2.2:15432 healthy"; }, 500ms));
}

/// Changes of two kinds may be seen in any order.
TEST(External, TakesThePlaceOfAServiceWhoseDeletionIsSeenLater) {
  World world;
  const auto put = [&](const std::string& yaml) {
    auto loaded = model::load(yaml, "test.yaml");
    for (auto& object : loaded.objects)
      world.put(store::key_of(object.json), std::make_shared<const base::Json>(object.json));
  };
  const model::Ref db{model::DependencyKind::service, "default", "db"};
  const std::string as_service =
      "apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {ports: [{port: 1}]}\n";
  put(as_service);
  put(external("addresses: [192.0.2.1]"));
  EXPECT_EQ(world.find_external(db), nullptr);
  world.remove({"Service", "default", "db"});
  ASSERT_NE(world.find_external(db), nullptr);
  EXPECT_EQ(world.services().at(db).service->spec.ports.at(0).port, 5432);
  put(as_service);
  world.remove({"ExternalService", "default", "db"});
  EXPECT_EQ(world.find_external(db), nullptr);
  EXPECT_EQ(world.services().at(db).service->spec.ports.at(0).port, 1);
}

/// A new control plane takes nothing from those who call it.
TEST(External, IsRememberedByANewControlPlane) {
  Mesh mesh;
  mesh.prober.hosts["db.test"] = host({"192.0.2.1"}, 5s);
  mesh.apply(external("host: db.test"));
  mesh.start_control_plane();
  mesh.pass(1s);
  mesh.kill_control_plane();
  mesh.prober.hosts.clear();
  mesh.data_plane.fewest_healthy.clear();
  mesh.start_control_plane();
  mesh.pass(2s);
  EXPECT_EQ(mesh.data_plane.fewest_healthy.at("outbound|5432||db.default"), 1);
}

TEST(External, GoesAndIsAnotherWithItsSpec) {
  Mesh mesh;
  mesh.apply(external("addresses: [192.0.2.1]"));
  mesh.start_control_plane();
  mesh.pass(1s);
  mesh.apply(external("addresses: [192.0.2.7]"));
  mesh.pass(1s);
  EXPECT_THAT(endpoints(mesh), ElementsAre("192.0.2.7:15432 healthy"));
  mesh.remove("ExternalService", "db");
  mesh.pass(1s);
  EXPECT_EQ(mesh.data_plane.published.at(snapshot::edge_context)->clusters.find("outbound|5432||db.default"),
            nullptr);
}

/// Web servers tell their sites by Host.
TEST(External, IsToldItsNameAsHost) {
  Mesh mesh;
  mesh.prober.hosts["api.test"] = host({"192.0.2.1"}, 5s);
  mesh.apply(external("host: api.test", "{port: 80}"));
  mesh.apply(service("web", "{name: db}"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  const auto& own = *mesh.data_plane.published.at({"default", "web"});
  const auto& route =
      own.routes.find("outbound/default/web/default/db")->virtual_hosts.front().routes.front();
  EXPECT_EQ(std::get<snapshot::Forward>(route.action).host, "api.test");
  mesh.apply(external("host: api.test", "{port: 80, targetPort: 8080}"));
  mesh.settle();
  const auto& changed = *mesh.data_plane.published.at({"default", "web"});
  const auto& other =
      changed.routes.find("outbound/default/web/default/db")->virtual_hosts.front().routes.front();
  EXPECT_EQ(std::get<snapshot::Forward>(other.action).host, "api.test:8080");
}

}  // namespace
}  // namespace weft::control::reconcile::testing
