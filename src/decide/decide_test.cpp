#include "decide/decide.h"

#include <gtest/gtest.h>

namespace weft::decide {
namespace {

using snapshot::Match;
using snapshot::Snapshot;

snapshot::Route route(std::string name, Match match, std::string cluster) {
  snapshot::Route route;
  route.name = std::move(name);
  route.match = std::move(match);
  route.cluster = std::move(cluster);
  route.origin = {"Service", "default", route.name, "spec"};
  return route;
}

Snapshot sample() {
  Snapshot snapshot;
  for (const auto* name : {"api", "static", "web"}) {
    snapshot.clusters.emplace_back().name = name;
  }
  auto& table = snapshot.routes.emplace_back();
  table.name = "main";
  table.virtual_hosts.push_back(
      {"shop", {"shop.example", "::1"}, {route("only-health", {Match::Path::exact, "/health"}, "web")}});
  table.virtual_hosts.push_back({"rest",
                                 {"*"},
                                 {route("api", {Match::Path::prefix, "/api/"}, "api"),
                                  route("exact", {Match::Path::exact, "/static"}, "static"),
                                  route("broken", {Match::Path::prefix, "/gone"}, "nowhere"),
                                  route("all", {Match::Path::prefix, "/"}, "web")}});
  snapshot.listeners.resize(3);
  snapshot.listeners[0].name = "a-http";
  snapshot.listeners[0].routes = "main";
  snapshot.listeners[0].address = base::Address::loopback(80);
  snapshot.listeners[1].name = "b-tcp";
  snapshot.listeners[1].cluster = "web";
  snapshot.listeners[2].name = "c-none";
  snapshot.listeners[2].routes = "missing";
  return snapshot;
}

std::string outcome(const Index& index, const snapshot::Listener& listener, const Request& request) {
  Trace trace;
  const auto plain = index.request(listener, request);
  const auto traced = index.request(listener, request, &trace);
  EXPECT_EQ(plain.has_value(), traced.has_value()) << "a trace must not change the decision";
  if (!plain) {
    EXPECT_EQ(plain.error(), traced.error());
    return std::string(describe(plain.error()));
  }
  EXPECT_EQ(plain->route, traced->route);
  EXPECT_TRUE(trace.back().taken);
  return plain->virtual_host->name + " " + plain->route->name + " " + plain->cluster->name;
}

TEST(Decide, RequestTable) {
  const auto snapshot = sample();
  const Index index(snapshot);
  struct Case {
    std::string_view name, host, path, expected;
  };
  for (const auto& [name, host, path, expected] : std::initializer_list<Case>{
           {"prefix", "x", "/api/carts", "rest api api"},
           {"a prefix is bytes", "x", "/api", "rest all web"},
           {"exact", "x", "/static", "rest exact static"},
           {"exact is not a prefix", "x", "/static/a", "rest all web"},
           {"the query does not count", "x", "/static?a=/api/", "rest exact static"},
           {"exact domain before any", "shop.example", "/health", "shop only-health web"},
           {"case and port do not matter", "Shop.EXAMPLE:8080", "/health", "shop only-health web"},
           {"chosen host does not fall back", "shop.example", "/api/", "no route takes this path"},
           {"cluster that is missing", "x", "/gone", "the route's cluster does not exist"},
           {"no host", "", "/", "rest all web"},
           {"OPTIONS of the host as a whole", "x", "*", "rest all web"},
           {"which a longer path does not take", "shop.example", "*", "no route takes this path"},
           {"ipv6 without port", "[::1]", "/api/x", "rest api api"},
           {"longer than any host", std::string_view("hhhhhhhhhh"), "/", "rest all web"}}) {
    EXPECT_EQ(outcome(index, snapshot.listeners[0], {"GET", host, path}), expected) << name;
  }
  EXPECT_EQ(outcome(index, snapshot.listeners[0], {"GET", std::string(4000, 'h'), "/"}), "rest all web");
  EXPECT_EQ(outcome(index, snapshot.listeners[2], {"GET", "x", "/"}), "the listener has no route table");
}

TEST(Decide, NoVirtualHost) {
  auto snapshot = sample();
  snapshot.routes[0].virtual_hosts.pop_back();
  const Index index(snapshot);
  EXPECT_EQ(outcome(index, snapshot.listeners[0], {"GET", "other", "/"}), "no virtual host takes this host");
}

TEST(Decide, TraceSaysWhatWasLookedAt) {
  const auto snapshot = sample();
  const Index index(snapshot);
  Trace trace;
  ASSERT_TRUE(index.request(snapshot.listeners[0], {"GET", "x", "/static"}, &trace));
  ASSERT_EQ(trace.size(), 5U);
  EXPECT_EQ(trace[2].reason, "path /static does not begin with /api/");
  EXPECT_FALSE(trace[2].taken);
  EXPECT_EQ(trace[3].reason, "path /static is /static");
  EXPECT_EQ(trace[3].origin.name, "exact");
  EXPECT_EQ(trace[4].what, "cluster");
}

TEST(Decide, ListenersAndConnections) {
  const auto snapshot = sample();
  const Index index(snapshot);
  EXPECT_EQ(index.listener("b-tcp"), &snapshot.listeners[1]);
  EXPECT_EQ(index.listener("nothing"), nullptr);
  EXPECT_EQ(index.listener(base::Address::loopback(80)), &snapshot.listeners[0]);
  EXPECT_EQ(index.listener(base::Address::loopback(81)), nullptr);
  const auto cluster = index.connection(snapshot.listeners[1]);
  ASSERT_TRUE(cluster);
  EXPECT_EQ((*cluster)->name, "web");
  EXPECT_EQ(index.connection(snapshot.listeners[2]).error(), Refusal::no_cluster);
}

}  // namespace
}  // namespace weft::decide
