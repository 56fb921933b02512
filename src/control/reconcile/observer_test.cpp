// Instances that nobody here runs: what is seen of them is enough for all that is made of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/reconcile/engine.h"
#include "control/reconcile/testing_mesh_test.h"
#include "control/reconcile/testing_yaml_test.h"

namespace weft::control::reconcile::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

runtime::Task<void> run(Engine& engine) { (void)co_await engine.run(); }

TEST(Observer, WhatAnotherSystemRunsIsServedByWhatIsSeenOfIt) {
  Mesh mesh;
  mesh.apply(service("web"));
  mesh.patch("Deployment", "web", "/metadata/annotations", {{model::annotation::provider, "cluster"}});
  Engine engine(mesh.reactor, mesh.store, mesh.provider, mesh.data_plane, mesh.prober, base::Random(1));
  runtime::Scope scope;
  scope.spawn(run(engine));
  mesh.settle();
  auto pod = std::make_shared<Instance>();
  pod->workload = {model::DependencyKind::deployment, "default", "web"};
  pod->name = "web-0";
  pod->node = "other";
  pod->pod = std::make_shared<const model::PodSpec>();
  pod->state = State::running;
  pod->has_process = true;
  pod->ports = {{{"http", 8080}, base::Address::loopback(40'000)}};
  engine.appeared(pod);
  engine.changed(*pod);
  mesh.settle();
  const std::string cluster = "outbound|80||web.default";
  EXPECT_THAT(mesh.data_plane.endpoints(cluster), ElementsAre("web-0 unhealthy"));
  const decltype(mesh.data_plane.placed) by_node{{"local", {snapshot::edge_context}},
                                                 {"other", {{"default", "web"}}}};
  EXPECT_EQ(mesh.data_plane.placed, by_node);
  pod->ready = true;
  engine.changed(*pod);
  mesh.pass(std::chrono::seconds(1));
  EXPECT_THAT(mesh.data_plane.endpoints(cluster), ElementsAre("web-0 healthy"));
  EXPECT_EQ(mesh.condition("Service", "web", "Ready"), "True EndpointsReady");
  EXPECT_EQ(mesh.store.list("EndpointSlice", {}).objects.size(), 1U);
  EXPECT_EQ(mesh.get("Pod", "web-0")["status"]["phase"], "Running");
  engine.gone(*pod);
  mesh.settle();
  EXPECT_THAT(mesh.data_plane.endpoints(cluster), IsEmpty());
  EXPECT_THAT(mesh.store.list("Pod", {}).objects, IsEmpty());
  EXPECT_THAT(mesh.order("start"), IsEmpty()) << "nothing of it was run here";
}

}  // namespace
}  // namespace weft::control::reconcile::testing
