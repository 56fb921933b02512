// Queries that the routes of a config file ask for, and headers that they change.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "snapshot/config.h"

namespace weft::snapshot {
namespace {

std::string with_route(std::string_view fields) {
  return fmt::format(
      "version: 1\nlisteners:\n- address: \"127.0.0.1:1\"\n  routes:\n  - {{{}}}\n"
      "clusters:\n- {{name: a, endpoints: []}}\n",
      fields);
}

TEST(ConfigChanges, WhatRoutesAskForAndChange) {
  const auto parsed = parse_config(
      with_route(
          "cluster: a, query: {version: \"2\", b: \"\"}, hasQuery: [debug], setHeaders: {X-Stage: canary}, "
          "addHeaders: {via: \"50%\"}, removeHeaders: [X-Debug]"),
      "f");
  ASSERT_TRUE(parsed) << base::render(parsed.error());
  const auto& route = parsed->routes[0].virtual_hosts[0].routes[0];
  EXPECT_EQ(route.match.query,
            (std::vector<QueryMatch>{{"b", ""}, {"debug", std::nullopt}, {"version", "2"}}));
  EXPECT_EQ(std::get<Forward>(route.action).headers,
            (HeaderChanges{.remove = {"x-debug"}, .set = {{"x-stage", "canary"}}, .add = {{"via", "50%"}}}));
}

TEST(ConfigChanges, WhatCannotBe) {
  struct Case {
    std::string_view fields, what, mend;
  };
  for (const auto& [fields, what, mend] : std::initializer_list<Case>{
           {"cluster: a, query: {\"a b\": x}", "a parameter's name is compared as it is sent", "a%20b"},
           {"cluster: a, query: {a: \"b&c\"}", "a parameter's value is compared as it is sent",
            "as it is sent"},
           {"cluster: a, query: {a: 2}", "a parameter's value must be a string", "put it in quotes"},
           {"cluster: a, query: {a: {}}", "a parameter's value must be a string", "hasQuery: [a]"},
           {"cluster: a, query: [a]", "query must be a map", "write it like {version: \"2\"}"},
           {"cluster: a, query: {a: b}, hasQuery: [a]", "this parameter is there twice", "remove one"},
           {"cluster: a, hasQuery: [\"\"]", "a parameter's name", "as it is sent"},
           {"cluster: a, setHeaders: {Host: b}", "the proxy's own to write", "remove it"},
           {"cluster: a, addHeaders: {content-length: \"1\"}", "the proxy's own to write", "remove it"},
           {"cluster: a, removeHeaders: [Transfer-Encoding]", "the proxy's own to write", "remove it"},
           {"cluster: a, removeHeaders: [x-weft-refused]", "the proxy's own to write", "remove it"},
           {"cluster: a, removeHeaders: [\":path\"]", "a header's name has letters", "like x-version"},
           {"cluster: a, setHeaders: {x: \" a\"}", "a header's value has no control bytes", "remove them"},
           {"cluster: a, setHeaders: {x: a, X: b}", "this header is there twice", "remove one"},
           {"cluster: a, setHeaders: {x: [a]}", "a header's value must be a string", "write one text"},
           {"redirect: {path: /x}, setHeaders: {x: a}", "a redirect has no setHeaders", "remove it"},
           {"reply: {}, removeHeaders: [x]", "a reply has no removeHeaders", "remove it"},
           {"cluster: a, query: {a: b}}\n  - {cluster: a, query: {a: b}", "no request reaches this route",
            "put it before that"},
           {"cluster: a, hasQuery: [a]}\n  - {cluster: a, query: {a: b, c: d}",
            "no request reaches this route", "put it before that"}}) {
    const auto parsed = parse_config(with_route(fields), "f");
    ASSERT_FALSE(parsed) << fields;
    EXPECT_EQ(parsed.error().size(), 1U) << fields << base::render(parsed.error());
    EXPECT_THAT(parsed.error().front().message, testing::HasSubstr(what)) << fields;
    EXPECT_THAT(parsed.error().front().mend, testing::HasSubstr(mend)) << fields;
  }
}

TEST(ConfigChanges, AQueryThatIsNotAskedForStandsBehind) {
  const auto parsed = parse_config(
      with_route("cluster: a, query: {a: b}}\n  - {cluster: a, query: {a: c}}\n  - {cluster: a"), "f");
  EXPECT_TRUE(parsed) << base::render(parsed.error());
}

}  // namespace
}  // namespace weft::snapshot
