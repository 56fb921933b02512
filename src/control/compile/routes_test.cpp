// What is made of HTTPRoutes: which match goes before which, and where its requests go.
#include "control/compile/routes.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"
#include "control/compile/compile.h"
#include "decide/decide.h"
#include "model/load.h"
#include "snapshot/actions.h"
#include "snapshot/patterns.h"

namespace weft::control::compile {
namespace {

using namespace std::chrono_literals;

/// One of each document, as old as it stands there.
struct Stored {
  explicit Stored(const std::string& yaml) {
    auto loaded = model::load(yaml, "f.yaml");
    EXPECT_FALSE(base::has_errors(loaded.diagnostics)) << base::render(loaded.diagnostics);
    for (auto& object : loaded.objects) {
      if (auto* service = std::get_if<model::Service>(&object.resource)) {
        services.emplace(
            model::Ref{model::DependencyKind::service, service->metadata.ns, service->metadata.name},
            *service);
      } else if (auto* route = std::get_if<model::HTTPRoute>(&object.resource)) {
        routes.push_back(std::make_shared<model::HTTPRoute>(*route));
      }
    }
  }
  FindService find() const {
    return [this](const model::Ref& ref) {
      const auto found = services.find(ref);
      return found == services.end() ? nullptr : &found->second;
    };
  }
  std::map<model::Ref, model::Service> services;
  Routes routes;
};

std::string service(const std::string& name, const std::string& port = "port: 80") {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\nspec: {ports: [{" + port +
         "}]}\n";
}

std::string route(const std::string& name, const std::string& hosts, const std::string& rules) {
  return "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: " + name +
         "}\nspec:\n  parentRefs: [{group: \"\", kind: Service, name: web}]\n  hostnames: [" + hosts +
         "]\n  rules: [" + rules + "]\n";
}
/// A rule whose requests go to the Service of that name.
std::string rule(const std::string& match, const std::string& to) {
  return "{matches: [{" + match + "}], backendRefs: [{name: " + to + ", port: 80}]}";
}

/// A proxy that has the routes.
struct Proxy {
  explicit Proxy(const Stored& stored, const Way& way = {.request = 15s}) {
    snapshot.routes.push_back({"r", virtual_hosts(stored.routes, way, stored.find()), {}});
    auto& listener = snapshot.listeners.emplace_back();
    listener.routes = "r";
    for (const auto& [ref, one] : stored.services)
      snapshot.clusters.push_back({.name = cluster_name(ref.ns, ref.name, one.spec.ports.front().port)});
    snapshot.clusters.sort();
  }
  /// The Service that a request goes to, or what else becomes of it.
  std::string way_of(std::string_view host, std::string_view path, const message::Headers& headers = {},
                     std::string_view method = "GET") const {
    base::Random random(1);
    const decide::Index index(snapshot);
    const auto decision = index.request(0, {method, host, path, headers, random});
    if (!decision) return std::string(decide::describe(decision.error()));
    const auto* forward = std::get_if<decide::Forward>(&decision->outcome);
    if (forward == nullptr) return decision->route->name;
    const auto& name = forward->cluster->name;
    return name.substr(name.find("||") + 2, name.find('.') - name.find("||") - 2);
  }
  const snapshot::Route& first() const { return snapshot.routes[0].virtual_hosts.at(0).routes.at(0); }

  snapshot::Snapshot snapshot;
};

const std::string abc = service("a") + service("b") + service("c");

/// Gateway API, HTTPRouteRule.matches: in each the second of two goes before the first, whether both are of
/// one route or of two, of which the second is younger.
TEST(CompiledRoutes, TheSpecificationsPrecedence) {
  struct Case {
    std::string_view name, less, more, path;
    message::Headers headers{};
  };
  const message::Headers both{{"x", "1"}, {"y", "2"}};
  for (const auto& [name, less, more, path, headers] : std::initializer_list<Case>{
           {"an exact path", "path: {value: /long/path}", "path: {type: Exact, value: /long/path}",
            "/long/path"},
           {"before any other condition",
            "path: {value: /p}, method: GET, headers: [{name: x, value: \"1\"}]",
            "path: {type: Exact, value: /p}", "/p", both},
           {"a longer prefix", "path: {value: /p}", "path: {value: /p/q}", "/p/q/r"},
           {"before a method", "path: {value: /p}, method: GET", "path: {value: /p/q}", "/p/q"},
           {"a method", "path: {value: /p}", "path: {value: /p}, method: GET", "/p"},
           {"before headers", "headers: [{name: x, value: \"1\"}, {name: y, value: \"2\"}]", "method: GET",
            "/", both},
           {"more headers", "headers: [{name: x, value: \"1\"}]",
            "headers: [{name: x, value: \"1\"}, {name: y, value: \"2\"}]", "/", both},
           {"before parameters", "queryParams: [{name: a, value: b}, {name: c, value: d}]",
            "headers: [{name: x, value: \"1\"}]", "/?a=b&c=d", both},
           {"more parameters", "queryParams: [{name: a, value: b}]",
            "queryParams: [{name: a, value: b}, {name: c, value: d}]", "/?a=b&c=d"},
           {"a parameter", "path: {value: /}", "queryParams: [{name: a, value: b}]", "/?a=b"},
       }) {
    const auto low = rule(std::string(less), "a");
    const auto high = rule(std::string(more), "b");
    EXPECT_EQ(Proxy(Stored(abc + route("r", "", low + ", " + high))).way_of("x", path, headers), "b") << name;
    EXPECT_EQ(Proxy(Stored(abc + route("r", "", low) + route("s", "", high))).way_of("x", path, headers), "b")
        << name;
  }
}

TEST(CompiledRoutes, OfEqualsTheOlderAndTheFirstGoesBefore) {
  const auto a = rule("path: {value: /p}", "a");
  const auto b = rule("path: {value: /p}", "b");
  EXPECT_EQ(Proxy(Stored(abc + route("r", "", a + ", " + b))).way_of("x", "/p"), "a");
  EXPECT_EQ(Proxy(Stored(abc + route("z", "", a) + route("r", "", b))).way_of("x", "/p"), "a");
}

TEST(CompiledRoutes, OfHostsTheMoreExactGoesBefore) {
  const Proxy proxy(Stored(abc + service("d") +
                           route("any", "", rule("path: {type: Exact, value: /only-any}", "d")) +
                           route("all", "\"*.example\"",
                                 rule("path: {type: Exact, value: /only-all}", "c") + ", " + rule("", "a")) +
                           route("below", "\"*.shop.example\"", rule("path: {value: /p}", "b")) +
                           route("exact", "www.shop.example", rule("path: {value: /p/q}", "c"))));
  struct Case {
    std::string_view host, path, expected;
  };
  for (const auto& [host, path, expected] :
       std::initializer_list<Case>{{"www.shop.example", "/p/q", "c"},
                                   {"WWW.shop.example:8080", "/p/q", "c"},
                                   {"www.shop.example", "/p", "b"},
                                   {"www.shop.example", "/", "a"},
                                   // A wider host's exact path comes behind what a closer one takes.
                                   {"www.shop.example", "/only-all", "c"},
                                   {"www.shop.example", "/only-any", "a"},
                                   {"a.b.shop.example", "/p/q", "b"},
                                   {"shop.example", "/p", "a"},
                                   {"example", "/only-any", "d"},
                                   {"example", "/p", "no route takes this request"},
                                   {"elsewhere", "/only-any", "d"}}) {
    EXPECT_EQ(proxy.way_of(host, path), expected) << host << path;
  }
  EXPECT_EQ(Proxy(Stored(abc + route("r", "a.example", rule("", "a")))).way_of("b.example", "/"),
            "no virtual host takes this host");
}

TEST(CompiledRoutes, PrefixesAreOfSegments) {
  const Proxy proxy(Stored(
      abc + route("r", "", rule("path: {value: /api}", "a") + ", " + rule("path: {value: /b/}", "b"))));
  for (const auto& [path, expected] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"/api", "a"},
           {"/api/", "a"},
           {"/api/x?y", "a"},
           {"/apix", "no route takes this request"},
           {"/b", "b"},
           {"/b/c", "b"},
           {"/bc", "no route takes this request"}})
    EXPECT_EQ(proxy.way_of("x", path), expected) << path;
}

TEST(CompiledRoutes, WhatCannotBeLedToIsAnErrorForItsShare) {
  const Stored stored(
      abc + service("db", "port: 80, appProtocol: tcp") +
      route("r", "",
            "{backendRefs: [{name: a, port: 80, weight: 5}, {name: gone, port: 80}, {name: a, port: 81}, "
            "{name: db, "
            "port: 80}, {name: a, port: 80, namespace: shop, weight: 2}, {name: a, kind: Pod}]}"));
  std::vector<std::string> reasons;
  for (const auto& backend : stored.routes[0]->spec.rules[0].backend_refs) {
    const auto fault = fault_of(*stored.routes[0], backend, stored.find());
    reasons.emplace_back(fault ? reason_of(*fault) : "");
  }
  EXPECT_EQ(reasons, (std::vector<std::string>{"", "BackendNotFound", "BackendNotFound",
                                               "UnsupportedProtocol", "RefNotPermitted", "InvalidKind"}));
  const Proxy proxy(stored);
  const auto& forward = std::get<snapshot::Forward>(proxy.first().action);
  EXPECT_TRUE(forward.missing_is_error);
  std::uint32_t good = 0;
  std::uint32_t all = 0;
  for (const auto& [cluster, weight] : forward.to) {
    all += weight;
    if (proxy.snapshot.clusters.find(cluster) != nullptr) good += weight;
  }
  EXPECT_EQ(good, 5U);
  EXPECT_EQ(all, 11U);
}

TEST(CompiledRoutes, WithoutAnyWeightNothingIsSent) {
  const Proxy proxy(Stored(abc + route("r", "", "{backendRefs: [{name: a, port: 80, weight: 0}]}")));
  EXPECT_EQ(std::get<snapshot::Reply>(proxy.first().action).status, 500);
}

TEST(CompiledRoutes, ARulesTimesGoBeforeThoseOfTheWay) {
  struct Case {
    std::string_view timeouts;
    Way way;
    std::chrono::milliseconds request, idle;
    std::string_view limited_by;
  };
  const Way patient{.request = 60s, .idle = 70s, .limited_by = "TrafficPolicy default/patient"};
  for (const auto& [timeouts, way, request, idle, limited_by] : std::initializer_list<Case>{
           {"", {.request = 15s}, 15s, 300s, ""},
           {"", patient, 60s, 70s, "TrafficPolicy default/patient"},
           {"timeouts: {request: 2s}, ", patient, 2s, 70s, "HTTPRoute default/r"},
           {"timeouts: {request: 2s, backendRequest: 1s}, ", patient, 1s, 70s, "HTTPRoute default/r"},
           {"timeouts: {request: 2s, backendRequest: 0s}, ", patient, 2s, 70s, "HTTPRoute default/r"},
           {"timeouts: {request: 0s, backendRequest: 3s}, ", patient, 3s, 70s, "HTTPRoute default/r"},
           {"timeouts: {request: 0s}, ", {.request = 15s}, 0s, 0s, "HTTPRoute default/r"},
           {"timeouts: {request: 1us}, ", {.request = 15s}, 1ms, 300s, "HTTPRoute default/r"},
           {"timeouts: {request: 2s}, ", {.request = 0s}, 2s, 300s, "HTTPRoute default/r"}}) {
    const Proxy proxy(
        Stored(abc + route("r", "", "{" + std::string(timeouts) + "backendRefs: [{name: a, port: 80}]}")),
        way);
    const auto& forward = std::get<snapshot::Forward>(proxy.first().action);
    EXPECT_EQ(forward.timeout, request) << timeouts;
    EXPECT_EQ(forward.idle_timeout, idle) << timeouts;
    EXPECT_EQ(forward.limited_by, limited_by) << timeouts;
  }
}

TEST(CompiledRoutes, FiltersAndOrigins) {
  const Proxy proxy(Stored(
      abc +
      route(
          "r", "",
          "{name: moved, matches: [{path: {value: /old}}], filters: [{type: RequestRedirect, "
          "requestRedirect: "
          "{scheme: https, path: {type: ReplacePrefixMatch, replacePrefixMatch: \"\"}, statusCode: 308}}]}, "
          "{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-A, value: a}], "
          "add: [{name: b, value: \"%\"}], remove: [C]}}], backendRefs: [{name: a, port: 80}]}")));
  const auto& routes = proxy.snapshot.routes[0].virtual_hosts.at(0).routes;
  EXPECT_EQ(std::get<snapshot::Redirect>(routes.at(0).action),
            (snapshot::Redirect{.scheme = snapshot::Redirect::Scheme::https,
                                .port = 443,
                                .path_kind = snapshot::Redirect::Path::prefix,
                                .path = "/",
                                .code = snapshot::Redirect::Code::permanent_redirect}));
  EXPECT_EQ(routes.at(0).name, "default/r/moved/0");
  EXPECT_EQ(routes.at(0).origin.to_string(),
            (base::Origin{"HTTPRoute", "default", "r", "spec.rules[0].matches[0]"}.to_string()));
  EXPECT_EQ(std::get<snapshot::Forward>(routes.at(1).action).headers,
            (snapshot::HeaderChanges{.remove = {"c"}, .set = {{"x-a", "a"}}, .add = {{"b", "%"}}}));
  EXPECT_EQ(routes.at(1).name, "default/r/1/0");
  EXPECT_EQ(routes.at(1).origin.field, "spec.rules[1]");
}

// What may be stored, a proxy takes: a route that it refused would keep all others from it.
TEST(CompiledRoutes, WhateverIsAcceptedProxiesUnderstand) {
  const std::string longest = std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') +
                              "." + std::string(57, 'd');
  const Stored stored(
      abc +
      route("r", "\"*." + longest + "\", 1.example, \"*.a-b\"",
            "{matches: [{path: {value: \"/-._~!$&'()*+,;=:@%20\"}, headers: [{name: \"!#$%&'*+-.^_`|~\", "
            "value: \"\xc3\xa9 "
            "\\\" %\"}], queryParams: [{name: \"!%$'*+-.^_`|~\", value: \"?/:@=\"}]}], filters: [{type: "
            "RequestHeaderModifier, requestHeaderModifier: {add: [{name: \"!#$%&'*+-.^_`|~\", value: \"% "
            "\xc3\xa9\"}]}}], "
            "backendRefs: [{name: a, port: 80, weight: 1000000}]}, {filters: [{type: RequestRedirect, "
            "requestRedirect: {hostname: " +
                longest + ", path: {type: ReplaceFullPath, replaceFullPath: /a}}}]}"));
  for (const auto& host : virtual_hosts(stored.routes, {}, stored.find())) {
    for (const auto& domain : host.domains) EXPECT_TRUE(snapshot::parse_domain(domain)) << domain;
    for (const auto& one : host.routes) {
      EXPECT_FALSE(snapshot::fault_of(one.match)) << one.name;
      const auto fault = snapshot::fault_of(one.action);
      EXPECT_FALSE(fault) << one.name << (fault ? fault->what : "");
    }
  }
}

TEST(CompiledRoutes, AreBounded) {
  const auto many = [](std::size_t hostnames, std::size_t matches) {
    auto made = std::make_shared<model::HTTPRoute>();
    for (std::size_t i = 0; i < hostnames; ++i) made->spec.hostnames.push_back(fmt::format("h{}.example", i));
    made->spec.rules.emplace_back().matches.resize(matches);
    return made;
  };
  EXPECT_EQ(fitting({}), 0U);
  EXPECT_EQ(fitting(Routes(4, many(16, 128))), 4U);
  EXPECT_EQ(fitting(Routes(5, many(16, 128))), 4U) << "10,240 routes";
  // Each exact host has the routes of all hosts too.
  EXPECT_EQ(fitting({many(16, 128), many(0, 64)}), 2U) << "2048 + 64 + 17 * 64";
  EXPECT_EQ(fitting({many(16, 128), many(16, 128), many(0, 128), many(0, 64)}), 3U);
}

TEST(CompiledRoutes, GovernThePortsThatTheirParentsName) {
  const auto governed = [](const std::string& parent, const std::string& port) {
    auto stored = Stored(service("web", port) + route("r", "", rule("", "web")));
    auto one = *stored.routes[0];
    auto& ref = one.spec.parent_refs[0];
    if (parent == "80") ref.port = 80;
    if (parent == "http") ref.section_name = "http";
    if (parent == "gateway") ref = {.name = "web"};
    const model::Ref web{model::DependencyKind::service, "default", "web"};
    return governs(one, web, stored.services.at(web).spec.ports[0]);
  };
  EXPECT_TRUE(governed("", "port: 81"));
  EXPECT_TRUE(governed("80", "port: 80"));
  EXPECT_FALSE(governed("80", "port: 81"));
  EXPECT_TRUE(governed("http", "port: 81, name: http"));
  EXPECT_FALSE(governed("http", "port: 80, name: admin"));
  EXPECT_FALSE(governed("", "port: 5432"));
  EXPECT_FALSE(governed("gateway", "port: 80"));
}

}  // namespace
}  // namespace weft::control::compile
