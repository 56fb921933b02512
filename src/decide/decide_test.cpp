#include "decide/decide.h"

#include <gtest/gtest.h>

#include "snapshot/patterns.h"

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
      {"shop", {"shop.example", "[::1]"}, {route("only-health", {Match::Path::exact, "/health"}, "web")}});
  table.virtual_hosts.push_back({"rest",
                                 {"*"},
                                 {route("api", {Match::Path::prefix, "/api/"}, "api"),
                                  route("below", {Match::Path::segments, "/v1"}, "api"),
                                  route("exact", {Match::Path::exact, "/static"}, "static"),
                                  route("broken", {Match::Path::prefix, "/gone"}, "nowhere"),
                                  route("all", {Match::Path::prefix, "/"}, "web")}});
  for (int i = 0; i < 3; ++i) snapshot.listeners.emplace_back();
  snapshot.listeners[0].name = "a-http";
  snapshot.listeners[0].routes = "main";
  snapshot.listeners[0].address = base::Address::loopback(80);
  snapshot.listeners[1].name = "b-tcp";
  snapshot.listeners[1].cluster = "web";
  snapshot.listeners[2].name = "c-none";
  snapshot.listeners[2].routes = "missing";
  return snapshot;
}

std::string outcome(const Index& index, std::size_t listener, const Request& request) {
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
           {"segments: the path itself", "x", "/v1?a", "rest below api"},
           {"and what is below it", "x", "/v1/a", "rest below api"},
           {"and no longer name", "x", "/v1x", "rest all web"},
           {"nor a shorter one", "x", "/v", "rest all web"},
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
           {"the root's dot does not matter", "shop.example.:80", "/health", "shop only-health web"},
           {"an empty port is none", "shop.example:", "/health", "shop only-health web"},
           {"ipv6", "[::1]", "/health", "shop only-health web"},
           {"ipv6 with port", "[::1]:80", "/health", "shop only-health web"},
           {"another ipv6", "[::2]", "/api/x", "rest api api"},
           {"longer than any host", std::string_view("hhhhhhhhhh"), "/", "rest all web"}}) {
    EXPECT_EQ(outcome(index, 0, {"GET", host, path}), expected) << name;
  }
  EXPECT_EQ(outcome(index, 0, {"GET", std::string(4000, 'h'), "/"}), "rest all web");
  EXPECT_EQ(outcome(index, 2, {"GET", "x", "/"}), "the listener has no route table");
}

TEST(Decide, DomainTable) {
  Snapshot snapshot;
  snapshot.clusters.emplace_back().name = "c";
  auto& table = snapshot.routes.emplace_back();
  table.name = "t";
  for (const auto& domains :
       std::vector<std::vector<std::string>>{{"a.example.com", "[::1]"},
                                             {"*.example.com"},
                                             {"*.b.example.com"},
                                             {"*-x.example.com"},
                                             {"foo.*"},
                                             {"foo.bar.*"},
                                             {"foo-*"},
                                             {"web:80", "[::1]:80", "db.example.com:5432"},
                                             {"any-port:*"},
                                             {"*.example.com:81"}}) {
    table.virtual_hosts.push_back({domains.front(), domains, {route("r", {}, "c")}});
  }
  snapshot.listeners.emplace_back().routes = "t";
  const auto chosen = [](const Snapshot& of, std::string_view host) {
    const Index index(of);
    const auto decision = index.request(0, {"GET", host, "/"});
    return decision ? decision->virtual_host->name : std::string(describe(decision.error()));
  };
  const std::string none = "no virtual host takes this host";
  for (const auto& [host, expected] : std::initializer_list<std::pair<std::string_view, std::string>>{
           {"a.example.com", "a.example.com"},
           {"A.Example.COM.:8443", "a.example.com"},
           {"b.example.com", "*.example.com"},
           {"c.d.example.com", "*.example.com"},
           {"example.com", none},
           {".example.com", none},
           {"c.b.example.com", "*.b.example.com"},
           {"c-x.example.com", "*-x.example.com"},  // of two that match the longer
           {"foo.com", "foo.*"},
           {"foo.example.com", "*.example.com"},  // a suffix before a prefix
           {"FOO.bar.com:9", "foo.bar.*"},
           {"foo.", none},
           {"foo", none},
           {"foo-1", "foo-*"},
           {"web:80", "web:80"},
           {"web:0080", "web:80"},
           {"WEB.:80", "web:80"},
           {"web:", none},
           {"web:81", none},
           {"web", none},
           {"[::1]", "a.example.com"},
           {"[::1]:80", "web:80"},
           {"[::1]:81", "a.example.com"},
           {"[0:0:0:0:0:0:0:1]", "a.example.com"},
           {"[0000::0001]:80", "web:80"},
           {"db.example.com:5432", "web:80"},
           {"db.example.com:1", "*.example.com"},
           {"any-port:1", "any-port:*"},
           {"any-port", none},
           {"a.example.com:81", "*.example.com:81"},  // with the port before without
           {"", none},
           {"bad host", none}}) {
    EXPECT_EQ(chosen(snapshot, host), expected) << host;
  }
  const std::string label(63, 'h');
  const auto longest = label + "." + label + "." + label + "." + std::string(49, 'h');
  EXPECT_EQ(chosen(snapshot, longest + ".example.com.:65535"), "*.example.com");
  EXPECT_EQ(chosen(snapshot, "h" + longest + ".example.com"), none);
  table.virtual_hosts.push_back({"rest", {"*"}, {route("r", {}, "c")}});
  for (const std::string host : {"", "web:81", "example.com"})
    EXPECT_EQ(chosen(snapshot, host), "rest") << host;
  EXPECT_EQ(chosen(snapshot, "h" + longest + ".example.com"), "rest");
}

TEST(Decide, NoVirtualHost) {
  auto snapshot = sample();
  snapshot.routes[0].virtual_hosts.pop_back();
  const Index index(snapshot);
  EXPECT_EQ(outcome(index, 0, {"GET", "other", "/"}), "no virtual host takes this host");
}

TEST(Decide, TraceSaysWhatWasLookedAt) {
  const auto snapshot = sample();
  const Index index(snapshot);
  Trace trace;
  ASSERT_TRUE(index.request(0, {"GET", "x", "/static"}, &trace));
  ASSERT_EQ(trace.size(), 6U);
  EXPECT_EQ(trace[2].reason, "path /static does not begin with /api/");
  EXPECT_FALSE(trace[2].taken);
  EXPECT_EQ(trace[3].reason, "path /static is not and is not below /v1");
  EXPECT_EQ(trace[4].reason, "path /static is /static");
  EXPECT_EQ(trace[4].origin.name, "exact");
  EXPECT_EQ(trace[5].what, "cluster");
}

/// The cluster and its place, for a request and for the opaque listener.
std::string ways(const Index& index, const Snapshot& snapshot) {
  std::string text;
  for (const auto& decision : {index.request(0, {"GET", "x", "/api/"}), index.connection(1)}) {
    EXPECT_EQ(decision->cluster, &snapshot.clusters[decision->cluster_place]);
    text += decision->cluster->name + std::to_string(decision->cluster->endpoints.size()) + " ";
  }
  return text;
}

TEST(Decide, WhatIsTakenOverFromTheIndexBefore) {
  const auto first = sample();
  const Index one(first);
  ASSERT_EQ(ways(one, first), "api0 web0 ");

  auto second = first;
  second.clusters[0].endpoints.emplace_back();
  const Index two(std::as_const(second), &one);
  EXPECT_TRUE(two.has_clusters_of(one) && two.has_listeners_of(one));
  EXPECT_EQ(ways(two, std::as_const(second)), "api1 web0 ") << "the cluster of the new Snapshot";

  auto third = second;
  third.clusters.push_back({.name = "aaa"});
  third.clusters.sort();
  const Index three(std::as_const(third), &two);
  EXPECT_FALSE(three.has_clusters_of(two));
  EXPECT_TRUE(three.has_listeners_of(two));
  EXPECT_EQ(ways(three, std::as_const(third)), "api1 web0 ") << "in their new places";

  auto fourth = third;
  fourth.listeners[1].cluster = "static";
  const Index four(std::as_const(fourth), &three);
  EXPECT_TRUE(four.has_clusters_of(three));
  EXPECT_FALSE(four.has_listeners_of(three));
  EXPECT_EQ(ways(four, std::as_const(fourth)), "api1 static0 ");

  auto fifth = fourth;
  fifth.routes[0].virtual_hosts[1].routes[0].cluster = "web";
  const Index five(std::as_const(fifth), &four);
  EXPECT_EQ(ways(five, std::as_const(fifth)), "web0 static0 ");
}

TEST(Decide, Connections) {
  const auto snapshot = sample();
  const Index index(snapshot);
  const auto cluster = index.connection(1);
  ASSERT_TRUE(cluster);
  EXPECT_EQ(cluster->cluster->name, "web");
  EXPECT_EQ(index.connection(2).error(), Refusal::no_cluster);
}

}  // namespace
}  // namespace weft::decide
