#include "control/stopped.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "http/client.h"
#include "store/sqlite.h"
#include "store/test_store.h"

namespace weft::control {
namespace {

namespace fs = std::filesystem;
using base::Json;

Json condition(const char* type, const char* status, const char* reason) {
  return {
      {"type", type}, {"status", status}, {"reason", reason}, {"message", ""}, {"lastTransitionTime", "t"}};
}

std::string conditions_of(const Json& object) {
  std::string text;
  for (const Json& one : object["status"]["conditions"]) {
    text += fmt::format("{}={} {};", one["type"].get<std::string>(), one["status"].get<std::string>(),
                        one["reason"].get<std::string>());
  }
  return text;
}

TEST(AsStopped, NothingIsReadyAndWhatHasEndedHasEnded) {
  struct Case {
    std::vector<Json> stored;
    const char* shown;
  };
  const Case cases[] = {
      {{condition("DependenciesReady", "True", "Ready"), condition("Available", "True", "MinimumReplicas")},
       "Available=False Stopped;"},
      {{condition("DependenciesReady", "False", "DependencyNotReady"), condition("Ready", "False", "Waits")},
       "Ready=False Stopped;"},
      {{condition("Ready", "False", "NotStarted")}, "Ready=False NotStarted;"},
      {{condition("Complete", "True", "CompletionsReached"), condition("Failed", "False", "NotFailed")},
       "Complete=True CompletionsReached;"},
      {{condition("Complete", "False", "Runs"), condition("Failed", "True", "BackoffLimitExceeded")},
       "Complete=False Stopped;Failed=True BackoffLimitExceeded;"},
  };
  for (const auto& c : cases) {
    const Json shown = as_stopped({{"status", {{"conditions", c.stored}, {"readyReplicas", 2}}}});
    EXPECT_EQ(conditions_of(shown), c.shown);
    EXPECT_FALSE(shown["status"].contains("readyReplicas"));
  }
}

TEST(AsStopped, NoEndpointIsReady) {
  const auto shown = [](Json endpoints) {
    return as_stopped({{"status",
                        {{"conditions", {condition("Ready", "True", "EndpointsReady")}},
                         {"endpoints", std::move(endpoints)}}}})["status"]["endpoints"];
  };
  EXPECT_EQ(shown({{"ready", 2}, {"total", 3}}), (Json{{"ready", 0}, {"total", 3}}));
  EXPECT_EQ(shown(Json::array({{{"address", "192.0.2.1"}, {"ready", true}}, 7})),
            Json::array({{{"address", "192.0.2.1"}, {"ready", false}}, 7}));
}

TEST(AsStopped, APolicyIsWhatItIs) {
  const Json policy = {
      {"status", {{"conditions", {condition("Accepted", "True", "Accepted")}}, {"ready", 1}}}};
  EXPECT_EQ(as_stopped(policy), policy);
}

TEST(AsStopped, WhatSaysNothingOfInstancesStays) {
  for (const Json& object :
       {Json{{"data", {{"a", "b"}}}}, Json{{"status", {{"phase", "Active"}}}}, Json(nullptr),
        Json{{"status", {{"conditions", "odd"}}}}, Json{{"status", {{"conditions", {1}}}}}}) {
    if (!object.is_object()) continue;
    EXPECT_NO_THROW(as_stopped(object));
  }
}

class StoppedMeshTest : public testing::Test {
 protected:
  runtime::Home home() const {
    return *runtime::Home::resolve(
        {.flag = folder.file("home"), .weft_home = {}, .temporary = folder.path()});
  }
  int ask(StoppedMesh& mesh, message::Method method, std::string target) {
    http::Client client(reactor, base::Address::unix_path("/none"),
                        {.host = "weft", .dial = [&mesh] { return mesh.connect(); }});
    auto response = reactor.block_on(client.send({.method = method, .target = std::move(target)}));
    EXPECT_TRUE(response.has_value()) << response.error().detail;
    return response ? response->status : 0;
  }

  store::TemporaryFolder folder;
  runtime::Reactor reactor;
};

TEST_F(StoppedMeshTest, AHomeThatNeverWasIsNotMade) {
  for (const auto access : {StoppedMesh::Access::read, StoppedMesh::Access::change}) {
    auto mesh = StoppedMesh::open(reactor, home(), access);
    ASSERT_TRUE(mesh.has_value()) << mesh.error().detail;
    EXPECT_EQ(ask(**mesh, message::Method::get, "/api/v1/services"), 200);
    EXPECT_EQ(ask(**mesh, message::Method::get, "/api/v1/namespaces/default"), 200);
    EXPECT_EQ(ask(**mesh, message::Method::delete_, "/api/v1/namespaces/default/services/web"), 404);
    EXPECT_TRUE(fs::is_empty(folder.path()));
  }
}

TEST_F(StoppedMeshTest, ReadsWithoutChangingAndChangesUnderTheLock) {
  fs::create_directory(home().state());
  fs::permissions(home().state(), fs::perms::owner_all);
  {
    auto store = store::SqliteStore::open(reactor, base::Random(1), {.path = home().database()});
    ASSERT_TRUE(store.has_value()) << store.error().detail;
    ASSERT_TRUE(reactor.block_on((*store)->create(store::object("Deployment", "web"))).has_value());
  }
  const std::string web = "/apis/apps/v1/namespaces/default/deployments/web";
  {
    auto reading = StoppedMesh::open(reactor, home(), StoppedMesh::Access::read);
    ASSERT_TRUE(reading.has_value()) << reading.error().detail;
    EXPECT_EQ(ask(**reading, message::Method::get, web), 200);
    EXPECT_GE(ask(**reading, message::Method::delete_, web), 400);
    EXPECT_FALSE(runtime::HomeLock::holder(home().supervisor_lock()));
  }
  {
    auto changing = StoppedMesh::open(reactor, home(), StoppedMesh::Access::change);
    ASSERT_TRUE(changing.has_value()) << changing.error().detail;
    EXPECT_TRUE(runtime::HomeLock::holder(home().supervisor_lock()));
    EXPECT_EQ(StoppedMesh::open(reactor, home(), StoppedMesh::Access::change).error().kind,
              store::StoreErrorKind::locked);
    EXPECT_EQ(ask(**changing, message::Method::delete_, web), 200);
  }
  auto after = StoppedMesh::open(reactor, home(), StoppedMesh::Access::read);
  EXPECT_EQ(ask(**after, message::Method::get, web), 404);
}

}  // namespace
}  // namespace weft::control
