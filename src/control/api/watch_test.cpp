// Watches through the server, as a client sees them.
#include <gtest/gtest.h>

#include <sstream>

#include "control/api/test_server.h"
#include "control/api/verbs.h"
#include "control/api/watch.h"
#include "control/reconcile/testing_mesh_test.h"

namespace weft::control::api {
namespace {

using base::Json;
using message::Method;

class WatchTest : public ServerTest {
 protected:
  std::unique_ptr<http::ResponseStream> watch(const std::string& query) {
    auto opened =
        reactor.block_on(client->open(request(Method::get, std::string(services) + "?watch=true" + query)));
    if (!opened) {
      ADD_FAILURE() << opened.error().detail;
      return nullptr;
    }
    EXPECT_EQ((*opened)->status(), 200);
    return std::move(*opened);
  }
  /// The next event; null at the end of the stream.
  Json event(http::ResponseStream& stream) {
    const auto line = reactor.block_on(stream.next_line());
    if (!line || !*line) return nullptr;
    return Json::parse(**line);
  }
  /// "ADDED web", "BOOKMARK", "ERROR 410".
  std::string next(http::ResponseStream& stream) {
    const auto found = event(stream);
    if (found.is_null()) return "end";
    auto type = found["type"].get<std::string>();
    if (type == "ERROR") return type + " " + std::to_string(found["object"]["code"].get<int>());
    if (type == "BOOKMARK") return type;
    return type + " " + found["object"]["metadata"]["name"].get<std::string>();
  }
  std::string since() const { return "&resourceVersion=" + store->list("Service").version.text(); }
  void make(std::string_view name) { ASSERT_EQ(call(Method::post, services, service(name)).status, 201); }
  void patch(std::string_view name, std::string body) {
    ASSERT_EQ(call(Method::patch, std::string(services) + "/" + std::string(name), std::move(body)).status,
              200);
  }
  void remove(std::string_view name) {
    ASSERT_EQ(call(Method::delete_, std::string(services) + "/" + std::string(name)).status, 200);
  }
};

TEST_F(WatchTest, WithoutAVersionBeginsWithWhatIsThere) {
  make("web");
  const auto stream = watch("");
  EXPECT_EQ(next(*stream), "ADDED web");
  make("cart");
  EXPECT_EQ(next(*stream), "ADDED cart");
  patch("cart", R"({"metadata": {"labels": {"a": "b"}}})");
  EXPECT_EQ(next(*stream), "MODIFIED cart");
  remove("web");
  EXPECT_EQ(next(*stream), "DELETED web");
}

TEST_F(WatchTest, ResumesFromAVersion) {
  make("web");
  const auto from = since();
  make("cart");
  remove("web");
  for (int i = 0; i < 2; ++i) {
    const auto stream = watch(from);
    EXPECT_EQ(next(*stream), "ADDED cart");
    EXPECT_EQ(next(*stream), "DELETED web");
  }
}

TEST_F(WatchTest, AnAnswerComesAtOnceEvenIfNothingHappens) { EXPECT_NE(watch(since()), nullptr); }

TEST_F(WatchTest, AVersionThatIsGoneIsAnErrorEvent) {
  scope.cancel();
  open();  // a restart forgets what happened before
  start();
  const auto stream = watch("&resourceVersion=1");
  const auto found = event(*stream);
  EXPECT_EQ(found["type"], "ERROR");
  EXPECT_EQ(found["object"]["code"], 410);
  EXPECT_EQ(found["object"]["reason"], "Expired");
  EXPECT_EQ(next(*stream), "end");
}

TEST_F(WatchTest, SelectedObjectsComeAndGoAsTheyMatch) {
  const auto stream = watch("&labelSelector=tier%3Dfront" + since());
  make("web");
  patch("web", R"({"metadata": {"labels": {"tier": "front"}}})");
  EXPECT_EQ(next(*stream), "ADDED web");
  patch("web", R"({"spec": {"ports": [{"port": 81}]}})");
  EXPECT_EQ(next(*stream), "MODIFIED web");
  patch("web", R"({"metadata": {"labels": {"tier": "back"}}})");
  EXPECT_EQ(next(*stream), "DELETED web");
  remove("web");
  make("cart");
  patch("cart", R"({"metadata": {"labels": {"tier": "front"}}})");
  EXPECT_EQ(next(*stream), "ADDED cart");
  remove("cart");
  EXPECT_EQ(next(*stream), "DELETED cart");
}

TEST_F(WatchTest, OneObjectAsKubectlWaitsForIt) {
  make("web");
  make("cart");
  const auto stream = watch("&fieldSelector=metadata.name%3Dweb" + since());
  remove("cart");
  remove("web");
  EXPECT_EQ(next(*stream), "DELETED web");
}

TEST_F(WatchTest, OtherKindsAndNamespacesAreNotSeen) {
  const auto stream = watch(since());
  ASSERT_EQ(call(Method::post, "/api/v1/namespaces", R"({"metadata": {"name": "shop"}})").status, 201);
  ASSERT_EQ(call(Method::post, "/api/v1/namespaces/shop/services", service("other")).status, 201);
  make("web");
  EXPECT_EQ(next(*stream), "ADDED web");
}

TEST_F(WatchTest, EndsAfterItsTimeWithABookmark) {
  make("web");
  const auto stream = watch("&timeoutSeconds=5&allowWatchBookmarks=true" + since());
  clock.advance(std::chrono::seconds(6));
  const auto found = event(*stream);
  EXPECT_EQ(found["type"], "BOOKMARK");
  EXPECT_EQ(found["object"]["kind"], "Service");
  EXPECT_EQ(found["object"]["metadata"]["resourceVersion"], store->list("Service").version.text());
  EXPECT_EQ(next(*stream), "end");
}

TEST_F(WatchTest, BookmarksComeWhenNothingElseDoes) {
  const auto stream = watch("&allowWatchBookmarks=true" + since());
  for (int i = 0; i < 2; ++i) {
    clock.advance(std::chrono::seconds(61));
    EXPECT_EQ(next(*stream), "BOOKMARK");
  }
  make("web");
  EXPECT_EQ(next(*stream), "ADDED web");
}

TEST_F(WatchTest, InitialEventsEndWithABookmark) {
  make("web");
  const auto stream =
      watch("&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan");
  EXPECT_EQ(next(*stream), "ADDED web");
  const auto found = event(*stream);
  EXPECT_EQ(found["type"], "BOOKMARK");
  EXPECT_EQ(found["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
}

TEST_F(WatchTest, AStopEndsWatchesAndLogs) {
  const auto stream = watch(since());
  auto log = reactor.block_on(
      client->open(request(Method::get, "/api/v1/namespaces/default/pods/web-0/log?follow=true")));
  ASSERT_TRUE(log.has_value());
  reactor.block_on(server->stop(std::chrono::hours(1)));
  EXPECT_EQ(next(*stream), "end");
  EXPECT_EQ(next(**log), "end");
}

/// Keeps what is written.
class KeptOutput final : public Output {
 public:
  runtime::Task<void> write(std::string bytes) override {
    text += bytes;
    co_return;
  }
  Json line(std::size_t index) const {
    std::istringstream lines(text);
    std::string found;
    for (std::size_t i = 0; i <= index; ++i) std::getline(lines, found);
    return Json::parse(found);
  }
  std::string text;
};

TEST(Versions, AreTheStoresOwnAndCarriedAsTheyAre) {
  base::ManualClock clock;
  runtime::Reactor reactor(clock);
  reconcile::testing::MemoryStore store(reactor);
  const auto& kind = *model::find_kind("Service");
  const auto make = [&](const char* name) {
    return reactor.block_on(store.create(Json::parse(service(name)))).value();
  };
  const auto first = make("web");
  KeptOutput listed;
  reactor.block_on(list(store, kind, {}, listed));
  const auto from = Json::parse(listed.text)["metadata"]["resourceVersion"].get<std::string>();
  EXPECT_EQ(store::Version(from), store::version_of(*first));
  const auto second = make("cart");
  KeptOutput watched;
  runtime::Scope scope;
  scope.spawn(watch(reactor, store,
                    {.kind = &kind,
                     .selection = {},
                     .since = store.parse_version(from).value(),
                     .bookmarks = true,
                     .limit = std::chrono::seconds(1)},
                    watched));
  clock.advance(std::chrono::seconds(2));
  while (scope.size() != 0) reactor.turn();
  EXPECT_EQ(watched.line(0)["object"], *second);
  EXPECT_EQ(watched.line(1)["type"], "BOOKMARK");
  EXPECT_EQ(watched.line(1)["object"]["metadata"]["resourceVersion"],
            (*second)["metadata"]["resourceVersion"]);
}

}  // namespace
}  // namespace weft::control::api
