// Programs that listen on a port of their own choice, whatever they are told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/reconcile/testing_mesh_test.h"
#include "control/reconcile/testing_yaml_test.h"

namespace weft::control::reconcile::testing {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

const std::string web_cluster = "outbound|80||web.default";

struct FixedPort : ::testing::Test {
  FixedPort() {
    mesh.provider.deaf = {"web"};
    mesh.prober.deaf = {"web"};
  }

  /// The application's address in the context of the workload.
  std::string application() {
    const auto context = mesh.data_plane.published.find({"default", "web"});
    if (context == mesh.data_plane.published.end()) return "";
    for (const auto& cluster : context->second->clusters) {
      if (cluster.name.starts_with("inbound/")) return cluster.endpoints.front().address.to_string();
    }
    return "";
  }

  Mesh mesh;
};

TEST_F(FixedPort, OneInstanceIsServedWhereItListens) {
  mesh.apply(service("web"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }, 1s));
  EXPECT_EQ(application(), "127.0.0.1:8080");
  EXPECT_EQ(mesh.data_plane.healthy(web_cluster), 1);
  const auto pod = *mesh.store.list("Pod", "default").objects.front();
  EXPECT_EQ(pod["spec"]["containers"][0]["ports"][0]["hostPort"], 8080);
}

TEST_F(FixedPort, ANewControlPlaneKnowsWhere) {
  mesh.apply(service("web"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }, 1s));
  mesh.start_control_plane();
  mesh.settle();
  EXPECT_EQ(mesh.ready("web"), 1);
  EXPECT_EQ(application(), "127.0.0.1:8080");
}

TEST_F(FixedPort, AfterACrashItIsFoundAgain) {
  mesh.apply(service("web"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }, 1s));
  mesh.provider.end(mesh.provider.running("web").front(), 1);
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 0; }, 1s));
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }, 2s));
  EXPECT_EQ(application(), "127.0.0.1:8080");
}

TEST_F(FixedPort, SeveralSayWhatIsWrong) {
  mesh.apply(service("web", "", 2));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until(
      [&] { return mesh.message("Deployment", "web", "Available").ends_with(": it listens on 8080"); }, 3s));
  EXPECT_EQ(mesh.ready("web"), 0);
  EXPECT_THAT(mesh.message("Service", "web", "Ready"), HasSubstr("NotReady: it listens on 8080"));
  // Of one that is left it is no fault any more.
  mesh.patch("Deployment", "web", "/spec/replicas", 1);
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }, 5s));
  EXPECT_EQ(application(), "127.0.0.1:8080");
}

TEST_F(FixedPort, OneThatEndsBecauseItsPortIsTakenSaysSo) {
  mesh.apply(service("web"));
  mesh.start_control_plane();
  mesh.provider.end(mesh.provider.running("web").front(), 1);
  mesh.settle();
  EXPECT_THAT(mesh.message("Deployment", "web", "Available"), HasSubstr("exit code 1; it listens on 8080"));
}

TEST_F(FixedPort, TheOldOneGoesBeforeTheNewOneComes) {
  mesh.apply(service("web"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }, 1s));
  mesh.apply(service("web", "", 1, "next"));
  ASSERT_TRUE(mesh.until([&] { return mesh.order("start").size() == 2 && mesh.ready("web") == 1; }, 5s));
  EXPECT_EQ(mesh.provider.most_running.at("web"), 1U);
  EXPECT_EQ(application(), "127.0.0.1:8080");
}

TEST_F(FixedPort, WhereAllIsWellNobodyIsLookedFor) {
  mesh.provider.deaf.clear();
  mesh.prober.deaf.clear();
  mesh.apply(service("web", "", 3));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 3; }, 1s));
  mesh.pass(30s);
  EXPECT_TRUE(mesh.order("locate").empty());
}

}  // namespace
}  // namespace weft::control::reconcile::testing
