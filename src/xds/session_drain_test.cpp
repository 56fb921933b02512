// What a proxy tells of the listeners that drain, and whom the control plane waits for.
#include <gtest/gtest.h>

#include "xds/session_for_test.h"

namespace weft::xds {
namespace {

/// Waits for all of them beside what the test does.
struct Drained {
  Drained(Session& session, std::vector<std::string> listeners) {
    scope.spawn([](Task<bool> task, std::optional<bool>* into) -> Task<void> {
      *into = co_await std::move(task);
    }(session.server->drained("local", web, std::move(listeners), seconds(20)), &result));
  }
  std::optional<bool> result;
  runtime::Scope scope;
};

TEST_F(Session, AProxyTellsWhenItsListenersHaveDrained) {
  const std::vector<std::string> names{"edge/default/web/80", "edge/default/web01/80"};
  auto snapshot = sample_snapshot(3, web);
  server->set_contexts("local", {web});
  connect_first();
  publish(snapshot);
  for (const auto& name : names) snapshot.listeners[*snapshot.listeners.place(name)].drain = seconds(3);
  publish(snapshot);
  Drained drained(*this, names);
  resting[names[0]].set();
  EXPECT_FALSE(reactor.block_on(server->drained("local", web, names, milliseconds(20))));
  EXPECT_TRUE(reactor.block_on(server->drained("local", web, {names[0]}, seconds(20))));
  EXPECT_FALSE(drained.result);
  resting[names[1]].set();
  until([&] { return drained.result.has_value(); });
  EXPECT_TRUE(*drained.result);

  stop_control_plane();
  start_control_plane();
  server->publish("local", share(snapshot));
  server->set_contexts("local", {web});
  connect_first();
  EXPECT_TRUE(settle(web));
  EXPECT_TRUE(reactor.block_on(server->drained("local", web, names, seconds(20)))) << "it is told anew";
}

TEST_F(Session, AfterARestartAProxyIsWaitedForUntilItMustHaveComeBack) {
  const auto snapshot = sample_snapshot(1, web);
  server->set_contexts("local", {web});
  connect_first();
  publish(snapshot);
  for (const bool comes : {true, false}) {
    stop_control_plane();
    if (!comes) proxy.cancel();
    const auto began = base::system_clock().now();
    const base::Duration time = comes ? base::Duration(seconds(20)) : milliseconds(50);
    start_control_plane(time);
    server->publish("local", share(snapshot));
    server->set_contexts("local", {web});
    EXPECT_FALSE(server->settled_now(web));
    EXPECT_EQ(settle(web)->proxies, comes ? 1U : 0U);
    EXPECT_EQ(base::system_clock().now() - began >= time, !comes);
  }
}

TEST_F(Session, OneThatDrainsASecondTimeIsToldOfAgain) {
  const std::string name = "edge/default/web/80";
  const auto plain = sample_snapshot(1, web);
  auto draining = plain;
  draining.listeners[0].drain = seconds(3);
  resting[name].set();
  server->set_contexts("local", {web});
  connect_first();
  for (int i = 0; i < 2; ++i) {
    publish(plain);
    publish(draining);
    EXPECT_TRUE(reactor.block_on(server->drained("local", web, {name}, seconds(20))));
  }
}

TEST_F(Session, AProxyThatGoesIsNotWaitedFor) {
  auto snapshot = sample_snapshot(1, web);
  snapshot.listeners[0].drain = seconds(3);
  server->set_contexts("local", {web});
  connect_first();
  publish(snapshot);
  Drained drained(*this, {"edge/default/web/80"});
  EXPECT_FALSE(drained.result);
  proxy.cancel();
  until([&] { return drained.result.has_value(); });
  EXPECT_TRUE(*drained.result);
  EXPECT_TRUE(reactor.block_on(server->drained("other", web, {"edge/default/web/80"}, seconds(20))));
}

}  // namespace
}  // namespace weft::xds
