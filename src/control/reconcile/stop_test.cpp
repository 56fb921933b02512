// Stopping in reverse order, draining first; and a control plane that comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/reconcile/testing_mesh_test.h"
#include "control/reconcile/testing_yaml_test.h"

namespace weft::control::reconcile::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;
using namespace std::chrono_literals;

const std::string web_cluster = "outbound|80||web.default";

/// web -> cart -> db, all ready.
void start_chain(Mesh& mesh) {
  mesh.apply(service("web", "{name: cart, kind: Service}"));
  mesh.apply(service("cart", "{name: db, kind: Service}"));
  mesh.apply(service("db"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
}

TEST(Stop, AllInReverseOrderWithoutChangingWhatIsStored) {
  Mesh mesh;
  start_chain(mesh);
  mesh.provider.held_stops = {"web"};
  const auto lines = mesh.control_plane().follow_stop();
  mesh.control_plane().stop_all();
  mesh.pass(5s);
  EXPECT_THAT(mesh.order("stop"), ElementsAre("web")) << "the others wait for it";
  EXPECT_EQ(mesh.condition("Deployment", "cart", "Progressing"), "True WaitingForDependents");
  EXPECT_FALSE(mesh.outcome());
  mesh.kill_control_plane();

  mesh.provider.held_stops.clear();
  mesh.start_control_plane();
  const auto again = mesh.control_plane().follow_stop();
  mesh.provider.calls.clear();
  mesh.control_plane().stop_all();
  ASSERT_TRUE(mesh.until([&] { return mesh.outcome().has_value(); }));
  EXPECT_TRUE(mesh.outcome()->has_value());
  EXPECT_THAT(mesh.order("stopped"), ElementsAre("web", "cart", "db"));
  std::vector<std::string> told;
  while (auto line = mesh.reactor.block_on(again->pop())) {
    const auto json = base::Json::parse(*line);
    told.push_back(json.value("event", "") + " " + json.value("workload", ""));
  }
  EXPECT_THAT(told, ElementsAre("stopping web", "stopped web", "stopping cart", "stopped cart", "stopping db",
                                "stopped db", "done "));
  EXPECT_EQ(mesh.get("Deployment", "web")["spec"]["replicas"], 1);
  EXPECT_EQ(mesh.get("Deployment", "web")["metadata"]["generation"], 1);
}

TEST(Stop, OfOneInstanceMakesAnother) {
  Mesh mesh;
  mesh.apply(service("db"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("db") == 1; }));
  const auto before = mesh.provider.running("db").at(0);
  mesh.control_plane().stop_instance("default", before.substr(before.find('/') + 1));
  mesh.control_plane().stop_instance("default", "none");
  ASSERT_TRUE(mesh.until([&] {
    const auto now = mesh.provider.running("db");
    return now.size() == 1 && now.front() != before && mesh.ready("db") == 1;
  }));
}

TEST(Stop, OfNothingEndsAtOnce) {
  Mesh mesh;
  mesh.start_control_plane();
  mesh.control_plane().stop_all();
  mesh.settle();
  ASSERT_TRUE(mesh.outcome());
  EXPECT_TRUE(mesh.outcome()->has_value());
}

TEST(Stop, StartsNothingWhileItGoesOn) {
  Mesh mesh;
  start_chain(mesh);
  mesh.provider.held_stops = {"web"};
  mesh.control_plane().stop_all();
  mesh.settle();
  mesh.provider.calls.clear();
  mesh.provider.end(mesh.provider.running("cart").at(0), 1);
  mesh.apply(service("new"));
  mesh.pass(30s);
  EXPECT_THAT(mesh.order("start"), IsEmpty());
}

TEST(Stop, DeletedTogetherInAnyOrderStillStopInReverse) {
  Mesh mesh;
  start_chain(mesh);
  for (const auto* name : {"db", "cart", "web"}) {
    mesh.remove("Service", name);
    mesh.remove("Deployment", name);
  }
  ASSERT_TRUE(mesh.until([&] { return mesh.order("stopped").size() == 3; }));
  EXPECT_THAT(mesh.order("stopped"), ElementsAre("web", "cart", "db"));
  mesh.pass(1s);
  EXPECT_THAT(mesh.provider.instances, IsEmpty());
}

TEST(Stop, ScaledToZeroTogetherStopsInReverse) {
  Mesh mesh;
  start_chain(mesh);
  for (const auto* name : {"db", "cart", "web"}) mesh.patch("Deployment", name, "/spec/replicas", 0);
  ASSERT_TRUE(mesh.until([&] { return mesh.order("stopped").size() == 3; }));
  EXPECT_THAT(mesh.order("stopped"), ElementsAre("web", "cart", "db"));
  mesh.pass(100ms);
  EXPECT_EQ(mesh.get("Deployment", "db")["status"]["replicas"], 0);
  EXPECT_EQ(mesh.condition("Deployment", "db", "Progressing"), "False NotStarted");
}

TEST(Stop, ADependencyThatStopsAloneDoesNotWait) {
  Mesh mesh;
  start_chain(mesh);
  mesh.patch("Deployment", "db", "/spec/replicas", 0);
  ASSERT_TRUE(mesh.until([&] { return mesh.order("stopped").size() == 1; }));
  EXPECT_EQ(mesh.ready("web"), 1);
}

TEST(Stop, DrainsFirstAndWaitsForTheProxies) {
  Mesh mesh;
  mesh.apply(service("web", "", 2));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 2; }));
  mesh.data_plane.answering.clear();
  mesh.patch("Deployment", "web", "/spec/replicas", 1);
  mesh.pass(500ms);
  EXPECT_THAT(mesh.data_plane.endpoints(web_cluster),
              UnorderedElementsAre(EndsWith(" healthy"), EndsWith(" draining")));
  EXPECT_THAT(mesh.order("stop"), IsEmpty()) << "not before the proxies know it";
  mesh.data_plane.answering.set();
  mesh.settle();
  EXPECT_THAT(mesh.order("stop"), ElementsAre("web"));
  EXPECT_THAT(mesh.data_plane.endpoints(web_cluster), ElementsAre(EndsWith(" healthy")));
}

TEST(Stop, InboundListenersOfADeletedWorkloadStayUntilItHasStopped) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  mesh.provider.held_stops = {"web"};
  mesh.remove("Deployment", "web");
  mesh.pass(500ms);
  const auto context = mesh.data_plane.published.at({"default", "web"});
  EXPECT_EQ(context->listeners.size(), 1U);
  EXPECT_THAT(mesh.data_plane.placed.at("local"),
              ElementsAre(snapshot::ContextId{"default", "web"}, snapshot::edge_context));
}

TEST(Adoption, KeepsInstancesAndEndpoints) {
  Mesh mesh;
  start_chain(mesh);
  const auto before = mesh.provider.running("web");
  const auto endpoints = mesh.data_plane.endpoints(web_cluster);
  mesh.kill_control_plane();
  mesh.provider.calls.clear();
  mesh.data_plane.fewest_healthy.clear();
  mesh.data_plane.published.clear();
  mesh.prober.failing = {"web"};  // one failed probe is not enough to lose readiness
  mesh.data_plane.proxies = 0;    // and it has not come back yet
  mesh.start_control_plane();
  EXPECT_EQ(mesh.condition("Service", "web", "Ready"), "True EndpointsReady");
  const auto since = mesh.get("Service", "web")["status"]["conditions"][1]["lastTransitionTime"];
  EXPECT_EQ(mesh.data_plane.endpoints(web_cluster), endpoints) << "in the first publication";
  EXPECT_EQ(mesh.data_plane.fewest_healthy[web_cluster], 1);
  mesh.prober.failing.clear();
  mesh.data_plane.proxies = 1;
  mesh.pass(15s);
  EXPECT_EQ(mesh.get("Service", "web")["status"]["conditions"][1]["lastTransitionTime"], since);
  EXPECT_EQ(mesh.provider.running("web"), before);
  EXPECT_THAT(mesh.order("start"), IsEmpty());
  EXPECT_THAT(mesh.order("stop"), IsEmpty());
  EXPECT_EQ(mesh.ready("web"), 1);
  EXPECT_EQ(mesh.control_plane().not_ready(), std::nullopt);
}

TEST(Adoption, RestartsWhatEndedMeanwhileAndFinishesWhatWasBegun) {
  Mesh mesh;
  mesh.apply(service("web", "", 2, "one"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 2; }));
  mesh.kill_control_plane();
  mesh.provider.end(mesh.provider.running("web").at(0), {}, 9);
  mesh.apply(service("web", "", 2, "two"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] {
    const auto ids = mesh.provider.running("web");
    return mesh.ready("web") == 2 && ids.size() == 2 && mesh.provider.specs[ids[0]].image == "two" &&
           mesh.provider.specs[ids[1]].image == "two";
  }));
}

TEST(Adoption, EarlierReadinessSaysNothingOfInstancesStartedAnew) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.condition("Service", "web", "Ready") == "True EndpointsReady"; }));
  mesh.kill_control_plane();
  mesh.provider.instances.clear();  // as after `control-plane stop`
  mesh.data_plane.answering.clear();
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return !mesh.control_plane().not_ready(); }));
  EXPECT_THAT(mesh.condition("Service", "web", "Ready"), StartsWith("False"));
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  EXPECT_THAT(mesh.condition("Service", "web", "Ready"), StartsWith("False"))
      << "no proxy knows the instance";
  mesh.data_plane.answering.set();
  EXPECT_TRUE(mesh.until([&] { return mesh.condition("Service", "web", "Ready") == "True EndpointsReady"; }));
}

TEST(Adoption, BringsToAnEndWhatWasStopping) {
  Mesh mesh;
  mesh.apply(service("web", "", 2));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 2; }));
  mesh.provider.held_stops = {"web"};
  mesh.patch("Deployment", "web", "/spec/replicas", 1);
  ASSERT_TRUE(mesh.until([&] { return mesh.order("stop").size() == 1; }));
  mesh.kill_control_plane();
  mesh.data_plane.published.clear();
  mesh.data_plane.fewest_healthy.clear();
  mesh.provider.held_stops.clear();
  mesh.data_plane.answering.clear();
  mesh.start_control_plane();
  EXPECT_THAT(mesh.data_plane.endpoints(web_cluster),
              UnorderedElementsAre(EndsWith(" healthy"), EndsWith(" draining")));
  mesh.data_plane.answering.set();
  ASSERT_TRUE(mesh.until([&] { return mesh.provider.instances.size() == 1; }));
  EXPECT_EQ(mesh.data_plane.fewest_healthy[web_cluster], 1);
  EXPECT_EQ(mesh.ready("web"), 1);
}

TEST(Adoption, StopsOrphans) {
  Mesh mesh;
  start_chain(mesh);
  mesh.kill_control_plane();
  mesh.remove("Deployment", "web");
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.order("stopped").size() == 1; }));
  EXPECT_THAT(mesh.order("stopped"), ElementsAre("web"));
  mesh.pass(1s);
  EXPECT_EQ(mesh.provider.instances.size(), 2U);
}

}  // namespace
}  // namespace weft::control::reconcile::testing
