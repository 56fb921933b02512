#include "decide/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "snapshot/patterns.h"

namespace weft::decide {
namespace {

using snapshot::Match;
using snapshot::Snapshot;

snapshot::Route route(std::string name, Match match, std::string cluster) {
  snapshot::Route route;
  route.name = std::move(name);
  route.match = std::move(match);
  route.action = snapshot::forward_to(std::move(cluster));
  route.origin = {"Service", "default", route.name, "spec"};
  return route;
}

/// A request as it came.
struct Asked {
  std::string_view method = "GET";
  std::string_view host = "x";
  std::string_view path = "/";
  message::Headers headers{};
  std::uint64_t unbelieved = 0;
};

/// What is decided with random numbers from `seed` on.
std::expected<Decision, Refusal> decided(const Index& index, std::size_t listener, const Asked& asked,
                                         Trace* trace = nullptr, std::uint64_t seed = 1) {
  base::Random random(seed);
  return index.request(
      listener, {asked.method, asked.host, asked.path, asked.headers, random, asked.unbelieved}, trace);
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

std::string outcome(const Index& index, std::size_t listener, const Asked& asked, std::uint64_t seed = 1) {
  Trace trace;
  const auto plain = decided(index, listener, asked, nullptr, seed);
  const auto traced = decided(index, listener, asked, &trace, seed);
  EXPECT_EQ(plain.has_value(), traced.has_value()) << "a trace must not change the decision";
  if (!plain) {
    EXPECT_EQ(plain.error(), traced.error());
    return std::string(describe(plain.error()));
  }
  EXPECT_EQ(plain->route, traced->route);
  EXPECT_TRUE(trace.back().taken);
  const auto way = plain->virtual_host->name + " " + plain->route->name + " ";
  if (const auto* forward = std::get_if<Forward>(&plain->outcome)) {
    EXPECT_EQ(forward->action, std::get_if<snapshot::Forward>(&plain->route->action));
    EXPECT_EQ(forward->cluster, std::get<Forward>(traced->outcome).cluster);
    return way + forward->cluster->name;
  }
  if (const auto* redirect = std::get_if<const snapshot::Redirect*>(&plain->outcome)) {
    EXPECT_EQ(*redirect, std::get_if<snapshot::Redirect>(&plain->route->action));
    return way + "redirect";
  }
  const auto* reply = std::get<const snapshot::Reply*>(plain->outcome);
  EXPECT_EQ(reply, std::get_if<snapshot::Reply>(&plain->route->action));
  return way + std::to_string(reply->status);
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
           {"chosen host does not fall back", "shop.example", "/api/", "no route takes this request"},
           {"cluster that is missing", "x", "/gone", "the route's cluster does not exist"},
           {"no host", "", "/", "rest all web"},
           {"OPTIONS of the host as a whole", "x", "*", "rest all web"},
           {"which a longer path does not take", "shop.example", "*", "no route takes this request"},
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
    const auto decision = decided(index, 0, {"GET", host, "/"});
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

/// One virtual host with these routes, and the clusters a, b and c.
Snapshot with_routes(std::vector<snapshot::Route> routes) {
  Snapshot snapshot;
  for (const auto* name : {"a", "b", "c"}) snapshot.clusters.emplace_back().name = name;
  snapshot.routes.push_back({"t", {{"all", {"*"}, std::move(routes)}}, {}});
  snapshot.listeners.emplace_back().routes = "t";
  return snapshot;
}

snapshot::Route acting(std::string name, Match match, snapshot::Action action) {
  return {std::move(name), std::move(match), std::move(action), {}};
}

// Every kind of path, with and without a method and headers, with every outcome.
TEST(Decide, ConditionsAndOutcomesTable) {
  const snapshot::HeaderMatch is_canary{"x-version", "canary"};
  const snapshot::HeaderMatch has_trace{"traceparent", std::nullopt};
  const std::vector<std::pair<Match, std::string_view>> paths{{{Match::Path::prefix, "/p"}, "/px"},
                                                              {{Match::Path::segments, "/p"}, "/p/x"},
                                                              {{Match::Path::exact, "/p"}, "/p"}};
  const std::vector<std::pair<snapshot::Action, std::string>> actions{
      {snapshot::forward_to("a"), "all r a"},
      {snapshot::Forward{.to = {{"b", 0}, {"c", 2}}}, "all r c"},
      {snapshot::Redirect{.host = "other"}, "all r redirect"},
      {snapshot::Reply{418, "tea"}, "all r 418"}};
  const message::Headers canary{{"X-Version", "canary"}, {"Traceparent", "1"}};
  struct Case {
    std::string_view name, method;
    std::vector<snapshot::HeaderMatch> conditions;
    Asked asked;
    bool taken;
  };
  const std::vector<Case> cases{
      {"no conditions", "", {}, {}, true},
      {"method", "PUT", {}, {.method = "PUT"}, true},
      {"another method", "PUT", {}, {.method = "GET"}, false},
      {"HEAD is not GET", "GET", {}, {.method = "HEAD"}, false},
      {"methods have case", "GET", {}, {.method = "get"}, false},
      {"header, in any case", "", {is_canary}, {.headers = canary}, true},
      {"another value", "", {is_canary}, {.headers = {{"x-version", "Canary"}}}, false},
      {"a longer value", "", {is_canary}, {.headers = {{"x-version", "canary2"}}}, false},
      {"no header", "", {is_canary}, {.headers = {{"x-versions", "canary"}}}, false},
      {"twice", "", {is_canary}, {.headers = {{"x-version", "canary"}, {"x-version", "canary"}}}, false},
      {"present", "", {has_trace}, {.headers = {{"traceparent", ""}}}, true},
      {"not present", "", {has_trace}, {}, false},
      {"all", "GET", {is_canary, has_trace}, {.headers = canary}, true},
      {"all but one", "GET", {is_canary, has_trace}, {.headers = {{"x-version", "canary"}}}, false},
      {"all but the method", "PUT", {is_canary, has_trace}, {.headers = canary}, false},
  };
  for (const auto& [path, target] : paths) {
    for (const auto& [action, expected] : actions) {
      for (const auto& [name, method, conditions, asked, taken] : cases) {
        auto match = path;
        match.method = method;
        match.headers = conditions;
        const auto snapshot = with_routes({acting("r", match, action)});
        const Index index(snapshot);
        auto other = asked;
        other.path = "/q";
        EXPECT_EQ(outcome(index, 0, other), "no route takes this request") << name;
        other.path = target;
        EXPECT_EQ(outcome(index, 0, other), taken ? expected : "no route takes this request")
            << name << " " << expected << " " << target;
      }
    }
  }
}

TEST(Decide, QueryTable) {
  struct Case {
    std::string_view name;
    std::vector<snapshot::QueryMatch> query;
    std::string_view path;
    bool taken;
  };
  for (const auto& [name, query, path, taken] : std::initializer_list<Case>{
           {"the value", {{"v", "2"}}, "/?v=2", true},
           {"among others", {{"v", "2"}}, "/?a&v=2&b=1", true},
           {"another value", {{"v", "2"}}, "/?v=21", false},
           {"a shorter one", {{"v", "21"}}, "/?v=2", false},
           {"no query", {{"v", "2"}}, "/", false},
           {"an empty one", {{"v", "2"}}, "/?", false},
           {"names have case", {{"v", "2"}}, "/?V=2", false},
           {"a longer name", {{"v", "2"}}, "/?vv=2", false},
           {"the first decides", {{"v", "2"}}, "/?v=1&v=2", false},
           {"as it is sent", {{"v", "a%20b"}}, "/?v=a%20b", true},
           {"not decoded", {{"v", "2"}}, "/?v=%32", false},
           {"what is behind the first = belongs to it", {{"v", "a=b"}}, "/?v=a=b", true},
           {"no value is an empty one", {{"v", ""}}, "/?v", true},
           {"so is nothing behind =", {{"v", ""}}, "/?v=&a", true},
           {"any value", {{"v", std::nullopt}}, "/?a=1&v=x", true},
           {"without one", {{"v", std::nullopt}}, "/?v", true},
           {"not there", {{"v", std::nullopt}}, "/?a=v&&", false},
           {"all", {{"a", "1"}, {"b", std::nullopt}}, "/?b&a=1", true},
           {"all but one", {{"a", "1"}, {"b", std::nullopt}}, "/?a=1", false}}) {
    Match match;
    match.query = query;
    const auto snapshot = with_routes({acting("r", match, snapshot::forward_to("a"))});
    EXPECT_EQ(outcome(Index(snapshot), 0, {"GET", "x", path}),
              taken ? "all r a" : "no route takes this request")
        << name;
  }
}

// Of those that go to several clusters the share of one that can never come.
TEST(Decide, AClusterThatIsMissingMayBeAnError) {
  for (const bool is_error : {false, true}) {
    const auto snapshot = with_routes(
        {acting("r", {}, snapshot::Forward{.to = {{"a", 0}, {"gone", 1}}, .missing_is_error = is_error})});
    EXPECT_EQ(outcome(Index(snapshot), 0, {"GET", "x", "/"}),
              is_error ? "the route names what it cannot lead to" : "the route's cluster does not exist");
  }
}

TEST(Decide, AHeaderOnSeveralLinesIsAList) {
  const auto takes = [](std::string value, const message::Headers& headers) {
    const auto snapshot = with_routes(
        {acting("r", {Match::Path::prefix, "/", "", {{"x-a", std::move(value)}}}, snapshot::Reply{})});
    return decided(Index(snapshot), 0, {.headers = headers}).has_value();
  };
  const message::Headers two{{"x-a", "1"}, {"x-b", "2"}, {"X-A", "2"}};
  EXPECT_TRUE(takes("1,2", two));
  for (const auto* other : {"1", "2", "1,", ",2", "1,2,", "12", "", "2,1"})
    EXPECT_FALSE(takes(other, two)) << other;
  EXPECT_TRUE(takes("", {{"x-a", ""}}));
  EXPECT_TRUE(takes(",", {{"x-a", ""}, {"x-a", ""}}));
  EXPECT_FALSE(takes("", {{"x-b", ""}}));
}

TEST(Decide, ConditionsFindNothingThatTheClientIsNotBelievedIn) {
  const auto snapshot = with_routes(
      {acting("r", {Match::Path::prefix, "/", "", {{"x-forwarded-proto", {}}}}, snapshot::Reply{})});
  const Index index(snapshot);
  const message::Headers headers{{"x-forwarded-proto", "https"}};
  Asked asked{.headers = headers};
  EXPECT_TRUE(decided(index, 0, asked).has_value());
  asked.unbelieved = message::Headers::bit(message::FieldId::x_forwarded_proto);
  Trace trace;
  EXPECT_FALSE(decided(index, 0, asked, &trace).has_value());
  EXPECT_EQ(trace.back().reason, "header x-forwarded-proto is not believed of this client");
  EXPECT_FALSE(decided(index, 0, asked).has_value());
  asked.unbelieved = message::Headers::bit(message::FieldId::forwarded);
  EXPECT_TRUE(decided(index, 0, asked).has_value());
}

TEST(Decide, TheFirstRouteWhoseConditionsHold) {
  const auto snapshot = with_routes(
      {acting("canary", {Match::Path::prefix, "/", "", {{"x-version", "canary"}}}, snapshot::forward_to("b")),
       acting("writes", {Match::Path::segments, "/api", "POST"}, snapshot::forward_to("c")),
       acting("api", {Match::Path::segments, "/api"}, snapshot::forward_to("a")),
       acting("rest", {}, snapshot::Reply{404, ""})});
  const Index index(snapshot);
  const message::Headers canary{{"x-version", "canary"}};
  EXPECT_EQ(outcome(index, 0, {"POST", "x", "/api", canary}), "all canary b");
  EXPECT_EQ(outcome(index, 0, {"POST", "x", "/api"}), "all writes c");
  EXPECT_EQ(outcome(index, 0, {"GET", "x", "/api"}), "all api a");
  EXPECT_EQ(outcome(index, 0, {"GET", "x", "/"}), "all rest 404");
}

TEST(Decide, ClustersAreDrawnByWeight) {
  const auto counts = [](std::vector<snapshot::Forward::Target> targets, std::uint64_t rounds) {
    const auto snapshot = with_routes({acting("r", {}, snapshot::Forward{.to = std::move(targets)})});
    const Index index(snapshot);
    const message::Headers headers;
    base::Random random(7);
    std::map<std::string, std::uint64_t> of;
    for (std::uint64_t i = 0; i < rounds; ++i) {
      const auto decision = index.request(0, {"GET", "x", "/", headers, random});
      ++of[decision ? std::get<Forward>(decision->outcome).cluster->name
                    : std::string(describe(decision.error()))];
    }
    return of;
  };
  // What the same numbers say.
  std::map<std::string, std::uint64_t> expected;
  base::Random random(7);
  for (int i = 0; i < 10'000; ++i) {
    const auto number = random.below(10);
    ++expected[number < 6 ? "c" : number < 9 ? "a" : "the route's cluster does not exist"];
  }
  EXPECT_EQ(counts({{"c", 6}, {"b", 0}, {"a", 3}, {"gone", 1}}, 10'000), expected);
  // Six standard deviations of a binomial are 300.
  EXPECT_NEAR(static_cast<double>(expected["c"]), 6'000, 300);
  constexpr auto most = std::numeric_limits<std::uint32_t>::max();
  EXPECT_EQ(counts({{"a", most - 1}, {"b", 1}}, 1'000), (std::map<std::string, std::uint64_t>{{"a", 1'000}}));
}

TEST(Decide, NothingIsDrawnForOneCluster) {
  for (const auto& targets :
       std::vector<std::vector<snapshot::Forward::Target>>{{{"a", 1}}, {{"a", 7}}, {{"b", 0}, {"a", 1}}}) {
    const auto snapshot = with_routes({acting("r", {}, snapshot::Forward{.to = targets})});
    const message::Headers headers;
    base::Random random(7);
    ASSERT_TRUE(Index(snapshot).request(0, {"GET", "x", "/", headers, random}));
    EXPECT_EQ(random.next(), base::Random(7).next());
  }
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
  ASSERT_TRUE(decided(index, 0, {"GET", "x", "/static"}, &trace));
  ASSERT_EQ(trace.size(), 6U);
  EXPECT_EQ(trace[2].reason, "path /static does not begin with /api/");
  EXPECT_FALSE(trace[2].taken);
  EXPECT_EQ(trace[3].reason, "path /static is not and is not below /v1");
  EXPECT_EQ(trace[4].reason, "path /static is /static");
  EXPECT_EQ(trace[4].origin.name, "exact");
  EXPECT_EQ(trace[5].what, "cluster");
}

TEST(Decide, TraceSaysWhyARouteDidNotTakeARequest) {
  const Match canary{
      Match::Path::prefix, "/", "GET", {{"x-version", "canary"}, {"x-debug", std::nullopt}}, {{"v", "2"}}};
  const auto snapshot = with_routes({acting("r", canary, snapshot::Forward{.to = {{"a", 9}, {"b", 1}}})});
  const Index index(snapshot);
  const message::Headers all{{"X-Version", "canary"}, {"X-Debug", "secret"}};
  for (const auto& [asked, expected] : std::vector<std::pair<Asked, std::string>>{
           {{"PUT", "x", "/a"}, "method PUT is not GET"},
           {{"GET", "x", "/a"}, "there is no header x-version"},
           {{"GET", "x", "/a", {{"x-version", "secret"}}}, "header x-version is not canary"},
           {{"GET", "x", "/a", {{"x-version", "canary"}}}, "there is no header x-debug"},
           {{"GET", "x", "/a", all}, "the query has no parameter v"},
           {{"GET", "x", "/a?v=secret", all}, "parameter v is not 2"},
           {{"GET", "x", "/a?v=2", all},
            "path /a begins with /, method is GET, header x-version is canary, header x-debug is there, "
            "parameter v is 2"}}) {
    Trace trace;
    const bool taken = decided(index, 0, asked, &trace).has_value();
    EXPECT_EQ(trace.at(1).reason, expected);
    EXPECT_EQ(trace.at(1).taken, taken);
    if (taken)
      EXPECT_THAT(trace.back().reason,
                  testing::AnyOf("9 of 10 requests go there", "1 of 10 requests go there"));
  }
}

/// The cluster and its place, for a request and for the opaque listener.
std::string ways(const Index& index, const Snapshot& snapshot) {
  std::string text;
  for (const auto& forward :
       {std::get<Forward>(decided(index, 0, {"GET", "x", "/api/"})->outcome), *index.connection(1)}) {
    EXPECT_EQ(forward.cluster, &snapshot.clusters[forward.cluster_place]);
    text += forward.cluster->name + std::to_string(forward.cluster->endpoints.size()) + " ";
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
  fifth.routes[0].virtual_hosts[1].routes[0].action = snapshot::forward_to("web");
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

TEST(Decide, ConnectionsOfTls) {
  auto snapshot = sample();
  auto& listener = snapshot.listeners[1];
  listener.protocol = snapshot::ListenerProtocol::tls;
  listener.cluster = {};
  listener.sni = {{{"shop.example"}, "api"}, {{"*.example", "shop.*"}, "web"}, {{"gone.example"}, "gone"}};
  const auto way = [&](std::string_view name) {
    const Index index(std::as_const(snapshot));
    const auto found = index.connection(1, name);
    return found ? found->cluster->name : std::string(describe(found.error()));
  };
  EXPECT_EQ(way("shop.example"), "api");
  EXPECT_EQ(way("SHOP.example"), "api");
  EXPECT_EQ(way("a.shop.example"), "web");
  EXPECT_EQ(way("shop.other"), "web");
  EXPECT_EQ(way("gone.example"), describe(Refusal::no_cluster));
  EXPECT_EQ(way("example"), describe(Refusal::no_server_name));
  EXPECT_EQ(way(""), describe(Refusal::no_server_name));
  listener.sni.push_back({{"*"}, "api"});
  EXPECT_EQ(way(""), "api");
  EXPECT_EQ(way("example"), "api");

  const Index index(std::as_const(snapshot));
  Trace trace;
  (void)index.connection(1, "a.example", &trace);
  ASSERT_EQ(trace.size(), 1U);
  EXPECT_EQ(trace[0].name, "web");
  EXPECT_EQ(trace[0].reason, "its server names take a.example");
}

}  // namespace
}  // namespace weft::decide
