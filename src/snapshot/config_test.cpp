#include "snapshot/config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "snapshot/config_codes.h"

namespace weft::snapshot {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view smallest = R"(version: 1
listeners:
- {address: "127.0.0.1:8080", protocol: http, cluster: app}    # http, tcp
clusters:
- {name: app, protocol: http1, endpoints: ["127.0.0.1:9000"]}  # http1, tcp
)";

TEST(Config, TheSmallestFile) {
  const auto parsed = parse_config(smallest, "proxy.yaml");
  ASSERT_TRUE(parsed) << base::render(parsed.error());
  EXPECT_EQ(parsed->context, edge_context);
  ASSERT_EQ(parsed->listeners.size(), 1U);
  EXPECT_EQ(parsed->listeners[0].name, "127.0.0.1:8080");
  EXPECT_EQ(parsed->listeners[0].address, base::Address::loopback(8080));
  EXPECT_EQ(parsed->listeners[0].direction, Direction::edge);
  ASSERT_EQ(parsed->routes.size(), 1U);
  EXPECT_EQ(parsed->routes[0].virtual_hosts[0].domains, std::vector<std::string>{"*"});
  EXPECT_EQ(parsed->routes[0].virtual_hosts[0].routes[0].cluster, "app");
  ASSERT_EQ(parsed->clusters.size(), 1U);
  EXPECT_EQ(parsed->clusters[0].endpoints[0].address, base::Address::loopback(9000));
}

TEST(Config, EveryField) {
  const auto parsed = parse_config(R"(version: 1
listeners:
- name: web
  address: "[::1]:80"
  connect: true
  idleTimeout: 30s
  routes:
  - {hosts: [Shop.example], path: /health, cluster: b, timeout: 2s}
  - {hosts: [Shop.example], cluster: a, timeout: 0s}
  - {prefix: /api/, cluster: b, timeout: 0s, idleTimeout: 2m}
  trustedHops: 2
- {address: "unix:/run/db", protocol: tcp, cluster: db}
clusters:
- {name: b, endpoints: ["127.0.0.1:1", {address: "127.0.0.1:2", weight: 3}], loadBalancing: round_robin,
   connectTimeout: 250ms, maxConnections: 10, maxPending: 20, maxRequestsPerConnection: 1000,
   maxConnectionAge: 10m, idleTimeout: 20s}
- {name: a, endpoints: []}
- {name: db, protocol: tcp, endpoints: ["unix:/run/other"]}
)",
                                   "f");
  ASSERT_TRUE(parsed) << base::render(parsed.error());
  ASSERT_EQ(parsed->clusters.size(), 3U);
  std::map<std::string, std::pair<std::chrono::milliseconds, std::chrono::milliseconds>> timeouts;
  for (const auto& host : parsed->routes[0].virtual_hosts) {
    for (const auto& route : host.routes) timeouts[route.name] = {route.timeout, route.idle_timeout};
  }
  EXPECT_EQ(timeouts, (decltype(timeouts){{"0", {2s, 5min}}, {"1", {0s, 0s}}, {"2", {0s, 2min}}}));
  const auto& b = parsed->clusters[1];
  EXPECT_EQ(b.name, "b");
  EXPECT_EQ(b.load_balancing, LoadBalancing::round_robin);
  EXPECT_EQ(b.connect_timeout, 250ms);
  EXPECT_EQ(b.max_connections, 10U);
  EXPECT_EQ(b.max_pending, 20U);
  EXPECT_EQ(b.max_requests_per_connection, 1000U);
  EXPECT_EQ(b.max_connection_age, 10min);
  EXPECT_EQ(b.idle_timeout, 20s);
  EXPECT_EQ(b.endpoints[1].weight, 3U);
  ASSERT_EQ(parsed->routes.size(), 1U);
  ASSERT_EQ(parsed->routes[0].virtual_hosts.size(), 2U);
  const auto& shop = parsed->routes[0].virtual_hosts[0];
  EXPECT_EQ(shop.domains, std::vector<std::string>{"shop.example"});
  ASSERT_EQ(shop.routes.size(), 2U);
  EXPECT_EQ(shop.routes[0].match, (Match{Match::Path::exact, "/health"}));
  EXPECT_EQ(shop.routes[0].timeout, 2s);
  EXPECT_TRUE(parsed->listeners[1].allow_connect);
  EXPECT_EQ(parsed->listeners[1].idle_timeout, 30s);
  EXPECT_EQ(parsed->listeners[1].trusted_hops, 2U);
  EXPECT_FALSE(parsed->listeners[0].allow_connect);
  EXPECT_EQ(parsed->listeners[0].protocol, Protocol::tcp);
  EXPECT_EQ(parsed->listeners[0].cluster, "db");
}

TEST(Config, WhatIsWrongIsSaidWithItsPlace) {
  struct Case {
    std::string_view name, text, code;
    std::uint32_t line, column;
  };
  for (const auto& [name, text, code, line, column] : std::initializer_list<Case>{
           {"yaml error", "version: 1\nversion: 1\n", "yaml/duplicate-key", 2, 1},
           {"empty", "", "config/documents", 1, 1},
           {"two documents", "version: 1\n---\nversion: 1\n", "config/documents", 1, 1},
           {"not a map", "- a\n", "config/wrong-type", 1, 1},
           {"no hosts",
            "version: 1\nlisteners:\n- address: \"127.0.0.1:1\"\n  routes: [{hosts: [], cluster: "
            "a}]\nclusters:\n"
            "- {name: a, endpoints: []}\n",
            "config/bad-value", 4, 20},
           {"version", "version: 2\nlisteners: []\nclusters: []\n", "config/bad-value", 1, 10},
           {"no version", "listeners: []\nclusters: []\n", "config/missing-field", 1, 1},
           {"unknown field", "version: 1\nlistener: []\nlisteners: []\nclusters: []\n",
            "config/unknown-field", 2, 1},
           {"no clusters", "version: 1\nlisteners: []\n", "config/missing-field", 1, 1},
           {"a list that is none", "version: 1\nlisteners: {}\nclusters: []\n", "config/wrong-type", 2, 12},
           {"bad address",
            "version: 1\nlisteners:\n- {address: localhost, cluster: a}\nclusters:\n- {name: a, endpoints: "
            "[]}\n",
            "config/bad-value", 3, 13},
           {"unknown cluster",
            "version: 1\nlisteners:\n- {address: \"127.0.0.1:1\", cluster: app}\nclusters:\n- {name: apps, "
            "endpoints: []}\n",
            "config/unknown-cluster", 3, 37},
           {"wrong protocol",
            "version: 1\nlisteners:\n- {address: \"127.0.0.1:1\", protocol: tcp, cluster: a}\nclusters:\n- "
            "{name: a, endpoints: []}\n",
            "config/bad-value", 3, 52},
           {"bad word", "version: 1\nlisteners: []\nclusters:\n- {name: a, protocol: http9, endpoints: []}\n",
            "config/bad-value", 4, 23},
           {"bad duration",
            "version: 1\nlisteners: []\nclusters:\n- {name: a, connectTimeout: soon, endpoints: []}\n",
            "config/bad-value", 4, 29},
           {"bad count", "version: 1\nlisteners: []\nclusters:\n- {name: a, maxPending: 0, endpoints: []}\n",
            "config/bad-value", 4, 25},
           {"cluster twice",
            "version: 1\nlisteners: []\nclusters:\n- {name: a, endpoints: []}\n- {name: a, endpoints: []}\n",
            "config/duplicate", 5, 3},
           {"endpoint twice",
            "version: 1\nlisteners: []\nclusters:\n- {name: a, endpoints: [\"127.0.0.1:1\", "
            "\"127.0.0.1:1\"]}\n",
            "config/duplicate", 4, 40}}) {
    const auto parsed = parse_config(text, "f");
    ASSERT_FALSE(parsed) << name;
    const auto& first = parsed.error().front();
    EXPECT_EQ(first.code, code) << name << ": " << base::render(first);
    EXPECT_EQ(first.position.line, line) << name << ": " << base::render(first);
    EXPECT_EQ(first.position.column, column) << name << ": " << base::render(first);
  }
}

TEST(Config, TheFirstOfTwoIsNamed) {
  for (const auto& [text, first] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"listeners: []\nclusters:\n- {name: a, endpoints: []}\n- {name: a, endpoints: []}\n", "f:4:3"},
           {"listeners: []\nclusters:\n- {name: a, endpoints: [\"127.0.0.1:1\", \"127.0.0.1:1\"]}\n",
            "f:4:25"},
           {"clusters: [{name: a, endpoints: []}]\nlisteners:\n- {address: \"127.0.0.1:1\", cluster: a}\n"
            "- {name: b, address: \"127.0.0.1:1\", cluster: a}\n",
            "this address; the first is at f:4:3"},
           {"clusters: [{name: a, endpoints: []}]\nlisteners:\n- {name: b, address: \"127.0.0.1:1\", "
            "cluster: a}\n"
            "- {name: b, address: \"127.0.0.1:2\", cluster: a}\n",
            "this name; the first is at f:4:3"},
           {"clusters: [{name: a, endpoints: []}]\nlisteners:\n- address: \"127.0.0.1:1\"\n  routes:\n"
            "  - {hosts: [x, X], cluster: a}\n",
            "f:6:14"}}) {
    const auto parsed = parse_config("version: 1\n" + std::string(text), "f");
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().front().code, code::duplicate) << base::render(parsed.error());
    EXPECT_TRUE(parsed.error().front().message.ends_with(first)) << parsed.error().front().message;
  }
}

TEST(Config, ATimeOfNothingIsRefusedUnlessItMeansNoLimit) {
  const auto errors = [](std::string_view listener, std::string_view cluster) {
    const auto parsed = parse_config(
        fmt::format("version: 1\nlisteners:\n- {{address: \"127.0.0.1:1\", {}}}\nclusters:\n"
                    "- {{name: a, endpoints: [], {}}}\n- {{name: b, protocol: tcp, endpoints: []}}\n",
                    listener, cluster),
        "f");
    return parsed ? 0 : parsed.error().size();
  };
  EXPECT_EQ(errors("cluster: a, idleTimeout: 1ms, timeout: 0s", "maxConnectionAge: 0s, idleTimeout: 1ms"),
            0U);
  EXPECT_EQ(errors("cluster: a, idleTimeout: 0s", "maxPending: 1"), 1U);
  EXPECT_EQ(errors("cluster: b, protocol: tcp, idleTimeout: 0s", "maxPending: 1"), 1U);
  EXPECT_EQ(errors("cluster: a", "idleTimeout: 0s"), 1U);
  EXPECT_EQ(errors("cluster: a", "connectTimeout: 0s"), 1U);
}

TEST(Config, AListenerKnowsItsPlace) {
  const auto parsed = parse_config(smallest, "proxy.yaml");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->listeners[0].origin.to_string(), "file proxy.yaml:3");
}

std::string with_route(std::string_view fields) {
  return fmt::format(
      "version: 1\nlisteners:\n- address: \"127.0.0.1:1\"\n  routes:\n  - {{{}, cluster: a}}\n"
      "clusters:\n- {{name: a, endpoints: []}}\n",
      fields);
}

TEST(Config, RoutesThatNoRequestCanReachAreRefused) {
  struct Case {
    std::string_view fields, code, words;
    std::uint32_t line, column;
  };
  for (const auto& [fields, code, words, line, column] : std::initializer_list<Case>{
           {"hosts: [\"a.com:8080\"]", code::bad_value, "without their port", 5, 14},
           {"hosts: [a, \"*.a.com:80\"]", code::bad_value, "without their port", 5, 17},
           {"hosts: [\"a.com:*\"]", code::bad_value, "without their port", 5, 14},
           {"hosts: [\"http://a/\"]", code::bad_value, "a URL", 5, 14},
           {"hosts: [bücher.example]", code::bad_value, "ASCII", 5, 14},
           {"hosts: [\"a b\"]", code::bad_value, "letters", 5, 14},
           {"hosts: [\"a.*.b\"]", code::bad_value, "a star", 5, 14},
           {"hosts: [\"::1\"]", code::bad_value, "IPv6", 5, 14},
           {"hosts: [\"999.1.1.1\"]", code::bad_value, "an IPv4 address", 5, 14},
           {"hosts: [\"-a.example\"]", code::bad_value, "begins or ends with -", 5, 14},
           {"hosts: [a, A.]", code::duplicate, "twice", 5, 17},
           {"hosts: [\"[::1]\", \"[0::1]\"]", code::duplicate, "twice", 5, 23},
           {"path: \"/a?x=1\"", code::bad_value, "without the query", 5, 12},
           {"prefix: \"/a#b\"", code::bad_value, "fragment", 5, 14},
           {"prefix: a/", code::bad_value, "begins with /", 5, 14},
           {"path: /café", code::bad_value, "ASCII", 5, 12},
           {"path: \"/a b\"", code::bad_value, "spaces", 5, 12},
           {"path: \"/%zz\"", code::bad_value, "escape", 5, 12},
           {"hosts: [a], cluster: a}\n  - {hosts: [a], path: /x", code::bad_value, "no request reaches", 6,
            5},
           {"path: /x, cluster: a}\n  - {path: /x", code::bad_value, "no request reaches", 6, 5},
           {"hosts: [a, b], prefix: /x, cluster: a}\n  - {hosts: [b, a], prefix: /x/y", code::bad_value,
            "no request reaches", 6, 5}}) {
    const auto parsed = parse_config(with_route(fields), "f");
    ASSERT_FALSE(parsed) << fields;
    EXPECT_EQ(parsed.error().size(), 1U) << base::render(parsed.error());
    const auto& first = parsed.error().front();
    EXPECT_EQ(first.code, code) << base::render(first);
    EXPECT_NE(first.message.find(words), std::string::npos) << base::render(first);
    EXPECT_FALSE(first.mend.empty());
    EXPECT_EQ(first.position.line, line) << base::render(first);
    EXPECT_EQ(first.position.column, column) << base::render(first);
  }
}

TEST(Config, EachHostHasTheRoutesThatNameIt) {
  const auto parsed = parse_config(
      with_route("hosts: [a, \"*.B.example\"], path: /x, cluster: a}\n  - {hosts: [\"[::1]\", a]"), "f");
  ASSERT_TRUE(parsed) << base::render(parsed.error());
  std::map<std::string, std::vector<std::string>> routes;
  for (const auto& host : parsed->routes[0].virtual_hosts) {
    EXPECT_EQ(host.domains, std::vector<std::string>{host.name});
    for (const auto& route : host.routes) routes[host.name].push_back(route.name);
  }
  EXPECT_EQ(routes, (decltype(routes){{"a", {"0", "1"}}, {"*.b.example", {"0"}}, {"[::1]", {"1"}}}));
}

TEST(Config, ProposesTheNearestName) {
  const auto parsed = parse_config("version: 1\nlistners: []\nlisteners: []\nclusters: []\n", "f");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().front().mend, "did you mean listeners?");
}

TEST(Config, EveryCodeIsExplained) {
  std::ifstream file(std::string(WEFT_SOURCE_DIR) + "/docs/errors.md");
  std::stringstream text;
  text << file.rdbuf();
  for (const auto code : code::all) {
    EXPECT_NE(text.str().find("### " + std::string(code) + "\n"), std::string::npos) << code;
  }
}

}  // namespace
}  // namespace weft::snapshot
