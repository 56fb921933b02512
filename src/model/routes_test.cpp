// What an HTTPRoute may say, and what is wrong with it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "model/check.h"
#include "model/decode.h"
#include "model/load.h"

namespace weft::model {
namespace {

constexpr std::string_view parent = "{group: \"\", kind: Service, name: web}";

std::string route_of(std::string_view spec) {
  return fmt::format(
      "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: r}}\nspec: {{{}}}\n",
      spec);
}
std::string with_rule(std::string_view rule) {
  return route_of(fmt::format("parentRefs: [{}], rules: [{{{}}}]", parent, rule));
}
std::string with_match(std::string_view match) {
  return with_rule(fmt::format("matches: [{{{}}}], backendRefs: [{{name: web, port: 80}}]", match));
}
std::string with_filter(std::string_view filter) {
  return with_rule(fmt::format("filters: [{{{}}}], backendRefs: [{{name: web, port: 80}}]", filter));
}
std::string redirecting(std::string_view redirect, std::string_view more = "") {
  return with_rule(
      fmt::format("filters: [{{type: RequestRedirect, requestRedirect: {{{}}}}}]{}", redirect, more));
}
std::string with_hosts(std::string_view hosts) {
  return route_of(fmt::format(
      "parentRefs: [{}], hostnames: [{}], rules: [{{backendRefs: [{{name: a, port: 1}}]}}]", parent, hosts));
}

TEST(Routes, AllThatOneMaySay) {
  const auto loaded = load(route_of(R"(
  parentRefs: [{group: "", kind: Service, name: web, port: 80}],
  hostnames: [shop.example, "*.shop.example"],
  rules: [
    {name: canary,
     matches: [{path: {type: Exact, value: /a%20b}, headers: [{name: X-Version, value: canary}],
                queryParams: [{name: v, value: "2"}], method: GET},
               {}],
     filters: [{type: RequestHeaderModifier,
                requestHeaderModifier: {set: [{name: x-a, value: "1"}], add: [{name: x-b, value: "2"}], remove: [x-c]}}],
     backendRefs: [{name: web, port: 80, weight: 9}, {group: "", kind: Service, namespace: default, name: new, port: 8080}],
     timeouts: {request: 10s, backendRequest: 2s}},
    {matches: [{path: {value: /old/}}],
     filters: [{type: RequestRedirect, requestRedirect: {scheme: https, hostname: www.shop.example, port: 8443,
                path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}, statusCode: 301}}]}])"),
                           "f.yaml");
  ASSERT_TRUE(loaded.diagnostics.empty()) << base::render(loaded.diagnostics);
  const auto& route = std::get<HTTPRoute>(loaded.objects.front().resource);
  EXPECT_EQ(route.spec.parent_refs.front().port, 80);
  const auto& canary = route.spec.rules.at(0);
  EXPECT_EQ(canary.matches.at(0), (HTTPRouteMatch{{PathMatchType::exact, "/a%20b"},
                                                  {{ValueMatchType::exact, "X-Version", "canary"}},
                                                  {{ValueMatchType::exact, "v", "2"}},
                                                  "GET"}));
  EXPECT_EQ(canary.matches.at(1), (HTTPRouteMatch{{PathMatchType::prefix, "/"}, {}, {}, ""}));
  EXPECT_EQ(*canary.header_modifier(), (HeaderModifier{{{"x-a", "1"}}, {{"x-b", "2"}}, {"x-c"}}));
  EXPECT_EQ(canary.redirect(), nullptr);
  EXPECT_EQ(canary.backend_refs.at(1), (BackendRef{"", "Service", "default", "new", 8080, 1}));
  EXPECT_EQ(canary.timeouts.limit(), std::chrono::seconds(2));
  const auto& moved = route.spec.rules.at(1);
  EXPECT_EQ(moved.redirect()->port, 8443);
  EXPECT_EQ(moved.redirect()->path->replace_prefix_match, "/new");
  // As it is stored, it says the same.
  const auto again = decode(encode(loaded.objects.front().resource));
  ASSERT_TRUE(again.resource) << base::render(again.diagnostics);
  EXPECT_EQ(*again.resource, loaded.objects.front().resource);
}

struct Wrong {
  std::string name;
  std::string text;
  std::string code;
  std::string field;
  std::string says;  // a part of the message or the mend
};

void expect_each(const std::vector<Wrong>& cases) {
  for (const auto& wrong : cases) {
    const Loaded loaded = load(wrong.text, "f.yaml");
    ASSERT_EQ(loaded.diagnostics.size(), 1U) << wrong.name << "\n" << base::render(loaded.diagnostics);
    const auto& found = *loaded.diagnostics.begin();
    EXPECT_EQ(found.code, "model/" + wrong.code) << wrong.name;
    EXPECT_EQ(found.field, wrong.field) << wrong.name;
    EXPECT_EQ(found.position.line, 4U) << wrong.name;
    EXPECT_THAT(found.message + " " + found.mend, ::testing::HasSubstr(wrong.says)) << wrong.name;
  }
}

TEST(Routes, WhatIsNotDoneYetIsRefused) {
  std::vector<Wrong> cases{
      {"path", with_match("path: {type: RegularExpression, value: \"/a.*\"}"), "unsupported",
       "spec.rules[0].matches[0].path.type", "regular expressions"},
      {"header", with_match("headers: [{type: RegularExpression, name: a, value: b}]"), "unsupported",
       "spec.rules[0].matches[0].headers[0].type", "regular expressions"},
      {"parameter", with_match("queryParams: [{type: RegularExpression, name: a, value: b}]"), "unsupported",
       "spec.rules[0].matches[0].queryParams[0].type", "regular expressions"},
      {"filter of a backend",
       with_rule("backendRefs: [{name: web, port: 80, filters: [{type: RequestHeaderModifier}]}]"),
       "unsupported", "spec.rules[0].backendRefs[0].filters", "filter of a rule"},
      {"retry", with_rule("backendRefs: [{name: web, port: 80}], retry: {attempts: 2}"), "unsupported",
       "spec.rules[0].retry", "`retry`"},
      {"session", with_rule("backendRefs: [{name: web, port: 80}], sessionPersistence: {sessionName: a}"),
       "unsupported", "spec.rules[0].sessionPersistence", "`sessionPersistence`"},
      {"another namespace",
       route_of(
           "parentRefs: [{group: \"\", kind: Service, name: web, namespace: shop}], rules: [{backendRefs: "
           "[{name: web, port: 80}]}]"),
       "unsupported", "spec.parentRefs[0].namespace", "the Service's namespace"}};
  for (const auto& [type, field] : std::initializer_list<std::pair<std::string, std::string>>{
           {"ResponseHeaderModifier", "responseHeaderModifier: {}"},
           {"RequestMirror", "requestMirror: {backendRef: {name: a, port: 80}}"},
           {"URLRewrite", "urlRewrite: {hostname: a.example}"},
           {"CORS", "cors: {}"},
           {"ExternalAuth", "externalAuth: {}"},
           {"ExtensionRef", "extensionRef: {group: a, kind: B, name: c}"}})
    cases.push_back({type, with_filter("type: " + type + ", " + field), "unsupported",
                     "spec.rules[0].filters[0].type", "no filter " + type});
  expect_each(cases);
}

TEST(Routes, ParentsAndHosts) {
  const std::string rules = "rules: [{backendRefs: [{name: web, port: 80}]}]";
  expect_each({
      {"no group", route_of("parentRefs: [{kind: Service, name: web}], " + rules), "invalid-value",
       "spec.parentRefs[0].kind", "group: \"\""},
      {"no parent", route_of("parentRefs: [], " + rules), "invalid-value", "spec.parentRefs", "at least one"},
      {"twice", route_of(fmt::format("parentRefs: [{0}, {0}], {1}", parent, rules)), "duplicate",
       "spec.parentRefs[1].name", "twice"},
      {"no rule", route_of(fmt::format("parentRefs: [{}], rules: []", parent)), "invalid-value", "spec.rules",
       "at least one"},
      {"upper case", with_hosts("Shop.example"), "invalid-value", "spec.hostnames[0]", "shop.example"},
      {"an address", with_hosts("10.0.0.1"), "invalid-value", "spec.hostnames[0]", "not an IP"},
      {"any address", with_hosts("\"*.1\""), "invalid-value", "spec.hostnames[0]", "not an IP"},
      {"a star within", with_hosts("\"shop.*\""), "invalid-value", "spec.hostnames[0]", "shop.example"},
      {"a port", with_hosts("\"shop.example:80\""), "invalid-value", "spec.hostnames[0]", "shop.example"},
      {"a long label", with_hosts(std::string(64, 'a') + ".example"), "invalid-value", "spec.hostnames[0]",
       "63"},
      {"a host twice", with_hosts("a.example, a.example"), "duplicate", "spec.hostnames[1]", "hostnames[0]"},
  });
  // Of several parents those that weft does not know are another controller's.
  const auto loaded =
      load(route_of(fmt::format("parentRefs: [{{name: gw}}, {}], {}", parent, rules)), "f.yaml");
  EXPECT_EQ(loaded.diagnostics.count(base::Severity::error), 0U);
  ASSERT_EQ(loaded.diagnostics.size(), 1U);
  EXPECT_EQ(loaded.diagnostics.begin()->code, "model/ignored-field");
  EXPECT_THAT(loaded.diagnostics.begin()->message, ::testing::HasSubstr("Gateway `gw`"));
}

TEST(Routes, Matches) {
  const auto path = [](std::string_view value) {
    return with_match(fmt::format("path: {{value: \"{}\"}}", value));
  };
  const std::string path_field = "spec.rules[0].matches[0].path.value";
  expect_each({
      {"no slash", path("a"), "invalid-value", path_field, "begin with /"},
      {"query", path("/a?b"), "invalid-value", path_field, "as a path is sent"},
      {"two slashes", path("/a//b"), "invalid-value", path_field, "must not have //"},
      {"a dot", path("/a/./b"), "invalid-value", path_field, "must not have /./"},
      {"up", path("/a/.."), "invalid-value", path_field, "as its last part"},
      {"half an escape", path("/a%2"), "invalid-value", path_field, "two digits"},
      {"a slash in an escape", path("/a%2Fb"), "invalid-value", path_field, "%2F"},
      {"nothing in an escape", path("/a%00"), "invalid-value", path_field, "%00"},
      {"a blank", path("/a b"), "invalid-value", path_field, "as a path is sent"},
      {"beyond ASCII", path("/\xc3\xa9"), "invalid-value", path_field, "as a path is sent"},
      {"a long path", path("/" + std::string(1024, 'a')), "invalid-value", path_field, "1024"},
      {"TRACE", with_match("method: TRACE"), "invalid-value", "spec.rules[0].matches[0].method", "405"},
      {"get", with_match("method: get"), "invalid-value", "spec.rules[0].matches[0].method", "one of GET"},
      {"pseudo-header", with_match("headers: [{name: \":path\", value: a}]"), "invalid-value",
       "spec.rules[0].matches[0].headers[0].name", "as headers have it"},
      {"no value", with_match("headers: [{name: a, value: \"\"}]"), "invalid-value",
       "spec.rules[0].matches[0].headers[0].value", "1 to"},
      {"outer blank", with_match("headers: [{name: a, value: \" b\"}]"), "invalid-value",
       "spec.rules[0].matches[0].headers[0].value", "blanks"},
      {"header twice", with_match("headers: [{name: a, value: b}, {name: A, value: c}]"), "duplicate",
       "spec.rules[0].matches[0].headers[1].name", "headers[0]"},
      {"parameter twice", with_match("queryParams: [{name: a, value: b}, {name: a, value: c}]"), "duplicate",
       "spec.rules[0].matches[0].queryParams[1].name", "queryParams[0]"},
      {"parameter not as sent", with_match("queryParams: [{name: a, value: \"b c\"}]"), "invalid-value",
       "spec.rules[0].matches[0].queryParams[0].value", "%20"},
      {"parameter's name", with_match("queryParams: [{name: \"a&b\", value: c}]"), "invalid-value",
       "spec.rules[0].matches[0].queryParams[0].name", "without &"},
  });
  // Parameters have case.
  EXPECT_TRUE(
      load(with_match("queryParams: [{name: a, value: b}, {name: A, value: c}]"), "f").diagnostics.empty());
}

TEST(Routes, RulesAndFilters) {
  const std::string modifier = "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {";
  const auto modified = [&](std::string_view what) {
    return with_rule(modifier + std::string(what) + "}}], backendRefs: [{name: web, port: 80}]");
  };
  const std::string changes = "spec.rules[0].filters[0].requestHeaderModifier";
  const std::string redirect = "spec.rules[0].filters[0].requestRedirect";
  expect_each({
      {"nothing done", with_rule("matches: []"), "missing-field", "spec.rules[0]", "neither `backendRefs`"},
      {"no port", with_rule("backendRefs: [{name: web}]"), "missing-field", "spec.rules[0].backendRefs[0]",
       "`port`"},
      {"weight", with_rule("backendRefs: [{name: web, port: 80, weight: 1000001}]"), "invalid-value",
       "spec.rules[0].backendRefs[0].weight", "1000000"},
      {"times",
       with_rule("backendRefs: [{name: web, port: 80}], timeouts: {request: 1s, backendRequest: 2s}"),
       "invalid-value", "spec.rules[0].timeouts.backendRequest", "longer"},
      {"filter without its part", with_filter("type: RequestHeaderModifier"), "missing-field",
       "spec.rules[0].filters[0]", "requestHeaderModifier"},
      {"filter with another part",
       with_filter(
           "type: RequestHeaderModifier, requestHeaderModifier: {remove: [a]}, requestRedirect: {port: 1}"),
       "invalid-value", "spec.rules[0].filters[0].requestRedirect", "filter of its own"},
      {"no change", modified(""), "missing-field", changes, "changes no header"},
      {"host", modified("set: [{name: Host, value: a}]"), "invalid-value", changes + ".set[0].name",
       "proxy's own"},
      {"length", modified("remove: [content-length]"), "invalid-value", changes + ".remove[0]",
       "proxy's own"},
      {"line break", modified("add: [{name: a, value: \"b\\r\\nc: d\"}]"), "invalid-value",
       changes + ".add[0].value", "control bytes"},
      {"set and removed", modified("set: [{name: a, value: b}], remove: [A]"), "duplicate",
       changes + ".remove[0]", "set[0].name"},
      {"redirect to itself", redirecting("statusCode: 301"), "missing-field", redirect, "where it came from"},
      {"status", redirecting("port: 81, statusCode: 200"), "invalid-value", redirect + ".statusCode", "301"},
      {"scheme", redirecting("scheme: ftp"), "invalid-value", redirect + ".scheme", "http or https"},
      {"host with a star", redirecting("hostname: \"*.a.example\""), "invalid-value", redirect + ".hostname",
       "must"},
      {"path without its part", redirecting("path: {type: ReplaceFullPath}"), "missing-field",
       redirect + ".path", "replaceFullPath"},
      {"path with another part",
       redirecting("path: {type: ReplaceFullPath, replaceFullPath: /a, replacePrefixMatch: /b}"),
       "invalid-value", redirect + ".path.replacePrefixMatch", "does not go with"},
      {"bad path", redirecting("path: {type: ReplaceFullPath, replaceFullPath: a}"), "invalid-value",
       redirect + ".path.replaceFullPath", "begin with /"},
      {"prefix of an exact path",
       redirecting("path: {type: ReplacePrefixMatch, replacePrefixMatch: /a}",
                   ", matches: [{path: {type: Exact, value: /b}}]"),
       "invalid-value", "spec.rules[0].matches", "PathPrefix"},
      {"both", redirecting("port: 81", ", backendRefs: [{name: web, port: 80}]"), "invalid-value",
       "spec.rules[0].backendRefs", "redirected"},
      {"two of a name",
       route_of(fmt::format("parentRefs: [{}], rules: [{{name: a, backendRefs: [{{name: b, port: "
                            "1}}]}}, {{name: a, backendRefs: [{{name: b, port: 1}}]}}]",
                            parent)),
       "duplicate", "spec.rules[1].name", "rules[0]"},
      {"two filters of a type",
       with_rule("filters: [{type: RequestRedirect, requestRedirect: {port: 1}}, {type: RequestRedirect, "
                 "requestRedirect: {port: 2}}]"),
       "duplicate", "spec.rules[0].filters[1].type", "one filter"},
  });
}

TEST(Routes, HaveSoManyMatchesAtMost) {
  std::string rules;
  for (int rule = 0; rule < 3; ++rule) {
    std::string matches;
    for (int i = 0; i < 43; ++i) matches += fmt::format("{}{{path: {{value: /{}}}}}", i ? ", " : "", i);
    rules +=
        fmt::format("{}{{matches: [{}], backendRefs: [{{name: a, port: 1}}]}}", rule ? ", " : "", matches);
  }
  expect_each({{"129 matches", route_of(fmt::format("parentRefs: [{}], rules: [{}]", parent, rules)),
                "too-large", "spec.rules", "129 matches"}});
}

TEST(Routes, NameWhatIsThere) {
  const std::string web = R"(---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, name: http}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: ./web}]}}
---
)";
  const auto about = [&](std::string_view parent_fields, std::string_view backend) {
    return web + route_of(fmt::format(
                     "parentRefs: [{{group: \"\", kind: Service, {}}}], rules: [{{backendRefs: [{{{}}}]}}]",
                     parent_fields, backend));
  };
  struct Case {
    std::string_view parent, backend, field, says;
  };
  for (const auto& [parent_fields, backend, field, says] : std::initializer_list<Case>{
           {"name: web", "name: web, port: 80", "", ""},
           {"name: web, sectionName: http", "name: web, port: 80, weight: 0", "", ""},
           {"name: wbe", "name: web, port: 80", "spec.parentRefs[0].name", "Did you mean `web`?"},
           {"name: web, port: 81", "name: web, port: 80", "spec.parentRefs[0].port", "does not have"},
           {"name: web, sectionName: h", "name: web, port: 80", "spec.parentRefs[0].sectionName",
            "does not have"},
           {"name: web", "name: new, port: 80", "spec.rules[0].backendRefs[0].name", "with 500"},
           {"name: web", "name: web, port: 81", "spec.rules[0].backendRefs[0].port", "with 500"},
           {"name: web", "name: web, port: 80, namespace: shop", "spec.rules[0].backendRefs[0].namespace",
            "another namespace"},
           {"name: web", "name: web, kind: Pod", "spec.rules[0].backendRefs[0].kind", "no Service"}}) {
    auto loaded = load(about(parent_fields, backend), "f.yaml");
    ASSERT_TRUE(loaded.diagnostics.empty()) << base::render(loaded.diagnostics);
    const auto found = check(loaded.objects);
    if (says.empty()) {
      EXPECT_TRUE(found.empty()) << base::render(found);
      continue;
    }
    ASSERT_EQ(found.size(), 1U) << base::render(found);
    EXPECT_EQ(found.begin()->code, "model/missing-target");
    EXPECT_EQ(found.begin()->field, field);
    EXPECT_THAT(found.begin()->message + " " + found.begin()->mend, ::testing::HasSubstr(std::string(says)));
  }
}

}  // namespace
}  // namespace weft::model
