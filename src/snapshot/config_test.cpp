#include "snapshot/config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
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
- {address: "127.0.0.1:8080", protocol: http, cluster: app}    # http, auto, tcp, tls
clusters:
- {name: app, protocol: http1, endpoints: ["127.0.0.1:9000"]}  # http1, http2, auto, tcp
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
  EXPECT_EQ(parsed->routes[0].virtual_hosts[0].routes[0].action, Action(forward_to("app")));
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
    for (const auto& route : host.routes) {
      const auto& forward = std::get<Forward>(route.action);
      timeouts[route.name] = {forward.timeout, forward.idle_timeout};
    }
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
  EXPECT_TRUE(parsed->listeners[1].allow_connect);
  EXPECT_EQ(parsed->listeners[1].idle_timeout, 30s);
  EXPECT_EQ(parsed->listeners[1].trusted_hops, 2U);
  EXPECT_FALSE(parsed->listeners[0].allow_connect);
  EXPECT_EQ(parsed->listeners[0].protocol, ListenerProtocol::tcp);
  EXPECT_EQ(parsed->listeners[0].cluster, "db");
}

TEST(Config, WhatRoutesAskForAndDo) {
  const auto parsed = parse_config(R"(version: 1
listeners:
- address: "127.0.0.1:1"
  routes:
  - {prefix: /api, method: PUT, headers: {X-Version: canary, x-empty: ""}, hasHeaders: [Traceparent], cluster: a}
  - {prefix: /api, to: [{cluster: a, weight: 9}, {cluster: b}, {cluster: c, weight: 0}], timeout: 2s}
  - {path: /all, redirect: {scheme: https, host: Shop.Example, port: 8443, path: /new, code: 308}}
  - {prefix: /old, redirect: {prefix: /new}}
  - {path: /health, reply: {body: "fine\n"}}
  - {path: /silent, reply: {body: ""}}
  - reply: {status: 404}
clusters:
- {name: a, endpoints: []}
- {name: b, endpoints: []}
- {name: c, endpoints: []}
)",
                                   "f");
  ASSERT_TRUE(parsed) << base::render(parsed.error());
  const auto& routes = parsed->routes[0].virtual_hosts.at(0).routes;
  ASSERT_EQ(routes.size(), 7U);
  EXPECT_EQ(routes[0].match,
            (Match{Match::Path::segments,
                   "/api",
                   "PUT",
                   {{"traceparent", std::nullopt}, {"x-empty", ""}, {"x-version", "canary"}}}));
  EXPECT_EQ(routes[0].action, Action(forward_to("a")));
  EXPECT_EQ(routes[1].action, Action(Forward{.to = {{"a", 9}, {"b", 1}, {"c", 0}}, .timeout = 2s}));
  EXPECT_EQ(routes[2].action, Action(Redirect{.scheme = Redirect::Scheme::https,
                                              .host = "Shop.Example",
                                              .port = 8443,
                                              .path_kind = Redirect::Path::whole,
                                              .path = "/new",
                                              .code = Redirect::Code::permanent_redirect}));
  EXPECT_EQ(routes[3].action, Action(Redirect{.path_kind = Redirect::Path::prefix, .path = "/new"}));
  EXPECT_EQ(routes[4].action, Action(Reply{200, "fine\n"}));
  EXPECT_EQ(routes[5].action, Action(Reply{200, ""}));
  EXPECT_EQ(routes[6].action, Action(Reply{404, ""}));
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

std::string with_listener(std::string_view fields) {
  return fmt::format(
      "version: 1\nlisteners:\n- {{address: \"127.0.0.1:1\", {}}}\nclusters:\n"
      "- {{name: h1, endpoints: []}}\n- {{name: h2, protocol: http2, endpoints: []}}\n"
      "- {{name: any, protocol: auto, endpoints: []}}\n- {{name: db, protocol: tcp, endpoints: []}}\n",
      fields);
}

TEST(Config, WhatLeadsWhere) {
  for (const auto* fields :
       {"cluster: h1", "cluster: h2", "cluster: any", "protocol: http, cluster: h2",
        "protocol: tcp, cluster: db", "protocol: tcp, cluster: any", "protocol: auto, cluster: any",
        "protocol: auto, cluster: db, routes: [{cluster: h1}]",
        "protocol: auto, cluster: any, routes: [{to: [{cluster: h2}, {cluster: any}]}]",
        "protocol: auto, cluster: any, connect: true, trustedHops: 1, timeout: 1s"}) {
    const auto parsed = parse_config(with_listener(fields), "f");
    EXPECT_TRUE(parsed) << fields << base::render(parsed.error());
  }
  struct Case {
    std::string_view fields, what, mend;
  };
  for (const auto& [fields, what, mend] : std::initializer_list<Case>{
           {"cluster: db", "cluster db does not speak the listener's protocol",
            "requests go to one of http1, http2 or auto"},
           {"routes: [{cluster: db}]", "does not speak", "requests go to one of http1, http2 or auto"},
           {"protocol: tcp, cluster: h1", "does not speak", "bytes go to one of tcp or auto"},
           {"protocol: auto, cluster: h2, routes: [{cluster: h1}]", "does not speak",
            "bytes go to one of tcp or auto"},
           {"protocol: auto, cluster: any, routes: [{cluster: db}]", "does not speak",
            "requests go to one of http1, http2 or auto"},
           {"protocol: auto, cluster: db", "does not speak", "add routes for the requests"},
           {"protocol: auto, cluster: h1", "does not speak", "requests and bytes go to one of auto"},
           {"protocol: auto, routes: [{cluster: h1}]", "cluster is missing", "add cluster"},
           {"protocol: auto, cluster: ani", "there is no cluster ani", "did you mean any?"},
           {"cluster: h1, routes: []", "either cluster or routes", "remove one of them"},
           {"routes: [{cluster: h1}], timeout: 1s", "a listener with routes has no timeout",
            "write it at the routes"},
           {"protocol: tcp, cluster: db, connect: true", "a tcp listener has no connect", "remove it"},
           {"protocol: h2, cluster: h1", "protocol cannot be that", "use one of http, auto, tcp, tls"}}) {
    const auto parsed = parse_config(with_listener(fields), "f");
    ASSERT_FALSE(parsed) << fields;
    EXPECT_EQ(parsed.error().size(), 1U) << base::render(parsed.error());
    EXPECT_THAT(parsed.error().front().message, testing::HasSubstr(what)) << fields;
    EXPECT_THAT(parsed.error().front().mend, testing::HasSubstr(mend)) << fields;
  }
}

TEST(Config, TlsGoesByServerNames) {
  const auto parsed = parse_config(
      with_listener("protocol: tls, idleTimeout: 2s, proxyProtocol: true, "
                    "sni: [{hosts: [Shop.Example, \"*.b.example\"], cluster: db}, {cluster: any}]"),
      "f");
  ASSERT_TRUE(parsed) << base::render(parsed.error());
  const auto& listener = parsed->listeners[0];
  EXPECT_EQ(listener.protocol, ListenerProtocol::tls);
  EXPECT_EQ(listener.sni,
            (std::vector<ServerNames>{{{"shop.example", "*.b.example"}, "db"}, {{"*"}, "any"}}));
  EXPECT_EQ(listener.opaque_idle_timeout, 2s);
  EXPECT_TRUE(listener.proxy_protocol);
  EXPECT_TRUE(parsed->routes.empty());
  struct Case {
    std::string_view fields, what, mend;
  };
  for (const auto& [fields, what, mend] : std::initializer_list<Case>{
           {"protocol: tls", "sni is missing", "add sni"},
           {"protocol: tls, cluster: db, sni: [{cluster: db}]", "a tls listener has no cluster",
            "name it in sni"},
           {"protocol: tls, routes: [], sni: [{cluster: db}]", "a tls listener has no routes", "in sni"},
           {"protocol: tls, connect: true, sni: [{cluster: db}]", "a tls listener has no connect",
            "remove it"},
           {"protocol: tcp, cluster: db, sni: [{cluster: db}]", "a tcp listener has no sni", "protocol: tls"},
           {"cluster: h1, sni: []", "a http listener has no sni", "protocol: tls"},
           {"protocol: tls, sni: db", "sni must be a list", "write it like sni: [{hosts: [shop.example]"},
           {"protocol: tls, sni: [db]", "an item of sni must be a map", "{hosts: [shop.example]"},
           {"protocol: tls, sni: [{hosts: [a], cluster: h1}]", "does not speak",
            "bytes go to one of tcp or auto"},
           {"protocol: tls, sni: [{hosts: [a], cluster: db}, {hosts: [A.], cluster: any}]",
            "host a is there twice", "remove one"},
           {"protocol: tls, sni: [{hosts: [\"a:1\"], cluster: db}]", "without their port", "remove it"},
           {"cluster: h1, proxyProtocol: v1", "proxyProtocol must be true or false",
            "write true or false"}}) {
    const auto failed = parse_config(with_listener(fields), "f");
    ASSERT_FALSE(failed) << fields;
    EXPECT_EQ(failed.error().size(), 1U) << base::render(failed.error());
    EXPECT_THAT(failed.error().front().message, testing::HasSubstr(what)) << fields;
    EXPECT_THAT(failed.error().front().mend, testing::HasSubstr(mend)) << fields;
  }
}

TEST(Config, OnlyOneClientsConnectionsTellOfIt) {
  const auto of = [](std::string_view protocol, std::string_view version) {
    return parse_config(fmt::format("version: 1\nlisteners: []\nclusters:\n- {{name: a, protocol: {}, "
                                    "proxyProtocol: {}, endpoints: []}}\n",
                                    protocol, version),
                        "f");
  };
  EXPECT_EQ(of("tcp", "v1")->clusters[0].proxy_protocol, ProxyProtocol::v1);
  EXPECT_EQ(of("tcp", "v2")->clusters[0].proxy_protocol, ProxyProtocol::v2);
  EXPECT_TRUE(of("http1", "none"));
  for (const auto* protocol : {"http1", "http2", "auto"}) {
    const auto failed = of(protocol, "v2");
    ASSERT_FALSE(failed) << protocol;
    EXPECT_THAT(failed.error().front().mend, testing::HasSubstr("protocol: tcp"));
  }
}

TEST(Config, AListenerOfWhatComesHasBoth) {
  const auto all = parse_config(with_listener("protocol: auto, cluster: any, idleTimeout: 2s"), "f");
  ASSERT_TRUE(all);
  const auto& listener = all->listeners[0];
  EXPECT_EQ(listener.protocol, ListenerProtocol::automatic);
  EXPECT_EQ(listener.cluster, "any");
  EXPECT_EQ(all->routes[0].name, listener.routes);
  EXPECT_EQ(all->routes[0].virtual_hosts[0].routes[0].action, Action(forward_to("any")));
  EXPECT_EQ(listener.idle_timeout, 2s);
  EXPECT_EQ(listener.opaque_idle_timeout, 2s);
  EXPECT_EQ(all->clusters[0].protocol, ClusterProtocol::automatic);
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
           {"hosts: [a], cluster: a}\n  - {hosts: [a], path: /x", code::bad_value,
            "all of its are taken at f:5:5", 6, 5},
           {"path: /x, cluster: a}\n  - {path: /x", code::bad_value, "all of its are taken at f:5:5", 6, 5},
           {"path: /y, cluster: a}\n  - {prefix: /x, cluster: a}\n  - {path: /x/y", code::bad_value,
            "all of its are taken at f:6:5", 7, 5},
           {"hosts: [a], cluster: a}\n  - {hosts: [b], cluster: a}\n  - {hosts: [b, a]", code::bad_value,
            "all of its are taken at f:5:5, f:6:5", 7, 5},
           {"hosts: [a, b], prefix: /x, cluster: a}\n  - {hosts: [b, a], prefix: /x/y", code::bad_value,
            "all of its are taken at f:5:5", 6, 5}}) {
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

TEST(Config, RoutesThatAskForMoreStandBeforeOthers) {
  struct Case {
    std::string_view name, first, second;
    bool is_reached;
  };
  for (const auto& [name, first, second, is_reached] :
       std::initializer_list<Case>{{"a method", "method: GET", "path: /", true},
                                   {"of all", "path: /", "path: /, method: GET", false},
                                   {"another method", "method: GET", "method: PUT", true},
                                   {"the same", "method: GET", "method: GET", false},
                                   {"a longer path", "method: GET", "method: GET, prefix: /a", false},
                                   {"a value", "headers: {x: a}", "headers: {x: b}", true},
                                   {"any value first", "hasHeaders: [x]", "headers: {X: a}", false},
                                   {"any value second", "headers: {X: a}", "hasHeaders: [x]", true},
                                   {"more headers", "headers: {x: a}", "headers: {y: b, x: a}", false},
                                   {"fewer", "headers: {y: b, x: a}", "headers: {x: a}", true},
                                   {"other paths", "headers: {x: a}, prefix: /a", "headers: {x: a}", true}}) {
    const auto parsed =
        parse_config(with_route(fmt::format("{}, cluster: a}}\n  - {{{}", first, second)), "f");
    EXPECT_EQ(parsed.has_value(), is_reached) << name;
    if (!parsed)
      EXPECT_THAT(parsed.error().front().message, testing::HasSubstr("no request reaches")) << name;
  }
}

std::string with_action(std::string_view fields) {
  return fmt::format(
      "version: 1\nlisteners:\n- address: \"127.0.0.1:1\"\n  routes:\n  - {{{}}}\n"
      "clusters:\n- {{name: a, endpoints: []}}\n- {{name: db, protocol: tcp, endpoints: []}}\n",
      fields);
}

TEST(Config, ConditionsAndActionsThatCannotBe) {
  struct Case {
    std::string_view fields, code, words;
    std::uint32_t column;
  };
  for (const auto& [fields, code, words, column] : std::initializer_list<Case>{
           {"method: get, cluster: a", code::bad_value, "with regard to case", 14},
           {"method: \"G T\", cluster: a", code::bad_value, "letters and hyphens", 14},
           {"headers: [x], cluster: a", code::wrong_type, "must be a map", 15},
           {"headers: {x: 1}, cluster: a", code::wrong_type, "must be a string", 19},
           {"headers: {x: a, X: b}, cluster: a", code::duplicate, "twice; the first is at f:5:16", 22},
           {"headers: {x: a}, hasHeaders: [X], cluster: a", code::duplicate, "twice", 36},
           {"headers: {\"x y\": a}, cluster: a", code::bad_value, "a header's name", 16},
           {"headers: {x: \" a\"}, cluster: a", code::bad_value, "a header's value", 16},
           {"hasHeaders: x, cluster: a", code::wrong_type, "must be a list", 18},
           {"hasHeaders: [1], cluster: a", code::wrong_type, "must be a string", 19},
           {"path: /", code::missing_field, "what the route does is missing", 5},
           {"cluster: a, reply: {}", code::bad_value, "one of cluster, to, redirect and reply", 18},
           {"to: [], redirect: {path: /}", code::bad_value, "one of cluster, to, redirect and reply", 14},
           {"to: []", code::bad_value, "names no cluster", 10},
           {"to: [{cluster: a, weight: 0}]", code::bad_value, "a weight above 0", 10},
           {"to: [{cluster: a, weight: -1}]", code::bad_value, "from 0 to 1000000", 32},
           {"to: [{cluster: b}]", code::unknown_cluster, "no cluster b", 21},
           {"to: [{cluster: db}]", code::bad_value, "does not speak", 21},
           {"to: [{weight: 1}]", code::missing_field, "cluster is missing", 11},
           {"to: [{cluster: a}, {cluster: a}]", code::duplicate, "twice; the first is at f:5:11", 25},
           {"redirect: {}", code::bad_value, "where it came from", 16},
           {"redirect: {to: a}", code::unknown_field, "has no field to", 17},
           {"redirect: {scheme: ftp}", code::bad_value, "scheme cannot be that", 25},
           {"redirect: {host: \"*.a\"}", code::bad_value, "one host", 23},
           {"redirect: {host: \"a:80\"}", code::bad_value, "has no port", 23},
           {"redirect: {port: 65536}", code::bad_value, "from 1 to 65535", 23},
           {"redirect: {path: a}", code::bad_value, "begins with /", 23},
           {"redirect: {prefix: a}", code::bad_value, "begins with /", 25},
           {"redirect: {path: /a, prefix: /b}", code::bad_value, "either path or prefix", 35},
           {"redirect: {path: /a, code: 304}", code::bad_value, "no redirect has this code", 33},
           {"redirect: {path: /a}, timeout: 1s", code::bad_value, "a redirect has no timeout", 37},
           {"reply: {status: 199}", code::bad_value, "from 200 to 599", 22},
           {"reply: {status: 204, body: a}", code::bad_value, "has no body", 33},
           {"reply: {}, idleTimeout: 1s", code::bad_value, "a reply has no idleTimeout", 30}}) {
    const auto parsed = parse_config(with_action(fields), "f");
    ASSERT_FALSE(parsed) << fields;
    EXPECT_EQ(parsed.error().size(), 1U) << base::render(parsed.error());
    const auto& first = parsed.error().front();
    EXPECT_EQ(first.code, code) << base::render(first);
    EXPECT_NE(first.message.find(words), std::string::npos) << base::render(first);
    EXPECT_FALSE(first.mend.empty());
    EXPECT_EQ(first.position.column, column) << base::render(first);
  }
}

TEST(Config, TheMendIsWhatMakesItRight) {
  struct Case {
    std::string_view fields, what, mend;
  };
  for (const auto& [fields, what, mend] : std::initializer_list<Case>{
           {"cluster: \"\"", "cluster is empty", "write a value behind it"},
           {"cluster:", "cluster is empty", "write a value behind it"},
           {"cluster: 5", "cluster must be a string, not a whole number", "put it in quotes"},
           {"cluster: [a]", "cluster must be a string, not a list", "write one text"},
           {"cluster: a, prefix: \"\"", "prefix is empty", "or leave it out"},
           {"cluster: a, path: \"\"", "path is empty", "or leave it out"},
           {"cluster: a, method: \"\"", "method is empty", "or leave it out"},
           {"cluster: a, hosts: [\"\"]", "a host must not be empty", "write \"*\" for all hosts"},
           {"cluster: a, hosts: a", "hosts must be a list", "write it like hosts: [shop.example]"},
           {"cluster: a, hasHeaders: a", "hasHeaders must be a list", "write it like hasHeaders: [x-debug]"},
           {"cluster: a, method: TRACE", "TRACE is always answered 405", "remove the route"},
           {"cluster: a, method: CONNECT", "CONNECT is answered 405", "add connect: true to the listener"},
           {"cluster: a, method: \"*\"", "no request has this method", "leave method out for all"},
           {"cluster: a, method: ANY", "no request has this method", "leave method out for all"},
           {"cluster: a, method: all", "no request has this method", "leave method out for all"},
           {"cluster: a, method: GET|POST", "letters and hyphens only", "one route for each method"},
           {"cluster: a, method: [GET, POST]", "a route has one method", "write one route for each method"},
           {"cluster: a, method: {exact: GET}", "method must be a string, not a map", "write one text"},
           {"cluster: a, headers: {x-a: {present: true}}", "value must be a string",
            "write one text, or hasHeaders: [x-a] for any value"},
           {"cluster: a, headers: {x-a: }", "value must be a string",
            "write one text, or hasHeaders: [x-a] for any value"},
           {"cluster: a, headers: {x-a: [b]}", "value must be a string",
            "write one text, or hasHeaders: [x-a] for any value"},
           {"cluster: a, headers: {x-a: 1}", "value must be a string", "put it in quotes"},
           {"cluster: a, hasHeaders: [[b]]", "name must be a string", "write one text"},
           {"cluster: a, headers: {\":method\": GET}", ":method is no header", "like method: GET"},
           {"cluster: a, headers: {X-Forwarded-Proto: https}", "no request has x-forwarded-proto here",
            "trustedHops"},
           {"cluster: a, hasHeaders: [forwarded]", "no request has forwarded here", "trustedHops"},
           {"cluster: a, hasHeaders: [x-forwarded-host]", "no request has x-forwarded-host", "trustedHops"},
           {"cluster: a, hasHeaders: [x-forwarded-port]", "no request has x-forwarded-port", "trustedHops"},
           {"to: {a: 9, b: 1}", "to must be a list, not a map",
            "write it like to: [{cluster: api, weight: 9}, {cluster: canary}]"},
           {"to: [a]", "a target must be a map, not a string", "write it like {cluster: api}"},
           {"to: []", "it names no cluster", "add one, like {cluster: api}"},
           {"to: [{cluster: a, weight: 90%}]", "from 0 to 1000000", "write the number alone"},
           {"reply: 404", "a reply must be a map", "write it like {status: 404}"},
           {"reply: {body: [a]}", "body must be a string, not a list", "write one text"},
           {"redirect: https://x", "a redirect must be a map", "{scheme: https, host: shop.example}"},
           {"redirect: {host: \"\", path: /a}", "host is empty", "or leave it out"},
           {"redirect: {path: \"\"}", "path is empty", "or leave it out"},
           {"redirect: {path: \"/new?x=1\"}", "a redirect's path has no query", "the request's query stays"},
           {"redirect: {path: \"/new#x\"}", "a redirect's path has no fragment", "remove what begins with #"},
           {"redirect: {path: /a, status: 301}", "a redirect has no field status", "write code"},
           {"redirect: {url: https://a/b}", "a redirect has no field url", "scheme, host, port and path"},
           {"prefix: /old, redirect: {prefix: /old}", "where it came from", "name another"},
           {"path: /old, redirect: {path: /old, code: 301}", "where it came from", "name another"},
       }) {
    const auto parsed = parse_config(with_action(fields), "f");
    ASSERT_FALSE(parsed) << fields;
    EXPECT_EQ(parsed.error().size(), 1U) << base::render(parsed.error());
    EXPECT_THAT(parsed.error().front().message, testing::HasSubstr(what)) << fields;
    EXPECT_THAT(parsed.error().front().mend, testing::HasSubstr(mend)) << fields;
  }
}

TEST(Config, WhatTheListenerAllowsMayBeAskedFor) {
  const auto first_error = [](std::string_view listener, std::string_view route) {
    const auto parsed = parse_config(
        fmt::format(
            "version: 1\nlisteners:\n- {{address: \"127.0.0.1:1\", routes: [{{{}, reply: {{}}}}], {}}}\n"
            "clusters: []\n",
            route, listener),
        "f");
    return parsed ? "" : parsed.error().front().message;
  };
  EXPECT_EQ(first_error("connect: true", "method: CONNECT"), "");
  EXPECT_EQ(first_error("connect: true", "method: CONNECT, prefix: /a"), "CONNECT has no path");
  EXPECT_EQ(first_error("connect: true", "method: CONNECT, path: /"), "CONNECT has no path");
  EXPECT_EQ(first_error("trustedHops: 1", "headers: {x-forwarded-proto: http}"), "");
  EXPECT_EQ(first_error("trustedHops: 0", "hasHeaders: [x-forwarded-for]"), "");
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
