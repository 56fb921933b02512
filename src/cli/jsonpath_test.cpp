#include "cli/jsonpath.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/unified_diff.h"

namespace weft::cli {
namespace {

using base::Json;
using ::testing::HasSubstr;

const Json list = Json::parse(R"({
  "kind": "List",
  "items": [
    {"name": "a", "port": 80, "labels": {"tier": "front", "x.y/z": "1"}, "ok": true, "args": ["p", "q", "r"]},
    {"name": "b", "port": 5432, "labels": {"tier": "back"}, "ok": false, "nothing": null}
  ]
})");

TEST(JsonPath, FindsWhatKubectlFinds) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"plain", "plain"},
      {"{.kind}", "List"},
      {"{$.kind}", "List"},
      {"{@.kind} {['kind']}", "List List"},
      {"{.items[*].name}", "a b"},
      {"{.items[0].name}{.items[-1].name}{.items[5].name}{.items[-3].name}", "ab"},
      {"{.items[0].args[1:]}|{.items[0].args[:2]}|{.items[0].args[0,2]}|{.items[0].args[-2:]}",
       "q r|p q|p r|q r"},
      {"{.items[0].args[0:0]}", ""},
      {"{.items[9223372036854775807]}{.items[-9223372036854775808]}{.items[:9223372036854775807].name}",
       "a b"},
      {"{.items[*].labels.tier}", "front back"},
      {"{.items[0].labels.x\\.y/z}", "1"},
      {"{.items[0].labels['x.y/z']}", "1"},
      {"{.items[0]['name','port']}", "a 80"},
      {"{.items[0].labels}", R"({"tier":"front","x.y/z":"1"})"},
      {"{.items[0].labels.*}", "front 1"},
      {"{..tier}", "front back"},
      {"{.items[*].ok}", "true false"},
      {"{.items[1].nothing}{.no.such.thing}", ""},
      {R"({range .items[*]}{.name}:{.port}{"\n"}{end})", "a:80\nb:5432\n"},
      {R"({range .items[*]}{range .args[*]}{@}{","}{end};{end})", "p,q,r,;;"},
      {R"({range .items[*]}{$.kind}{end})", "ListList"},
      {R"({.items[?(@.name=="b")].port})", "5432"},
      {R"({.items[?(@.name != 'b')].name})", "a"},
      {R"({.items[?(@.port>80)].name}{.items[?(@.port<=80)].name})", "ba"},
      {R"({.items[?(@.ok==true)].name})", "a"},
      {R"({.items[?(@.labels.tier=="back")].labels.tier})", "back"},
      {R"({.items[?(@.args)].name})", "a"},
      {"{ .kind }{'\\t'}", "List\t"},
  };
  for (const auto& [text, found] : cases) {
    const auto path = JsonPath::parse(text);
    ASSERT_TRUE(path) << text << ": " << path.error();
    EXPECT_EQ(path->print(list), found) << text;
  }
}

TEST(JsonPath, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"{.kind", "a } is missing (column 7)"},
      {"{kind}", "begins with ."},
      {"{}", "begins with ."},
      {"{.a[}", "a number, a name"},
      {"{.a[0}", "a ] is missing"},
      {"{.a['b]}", "a quote has no end"},
      {"{.a[::2]}", "steps of a slice"},
      {"{.a[?(@.b==c)]}", "stands in quotes"},
      {"{.a[?(@.b=='c' && @.d)]}", "one comparison"},
      {"{range .a}{.b}", "no {end}"},
      {"{end}", "without a {range}"},
      {"{...}", "a name is missing"},
      {R"({"text)", "a quote has no end"},
  };
  for (const auto& [text, why] : cases) {
    const auto path = JsonPath::parse(text);
    ASSERT_FALSE(path) << text;
    EXPECT_THAT(path.error(), HasSubstr(why)) << text;
  }
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{.a[?(@.a[?(";
  EXPECT_FALSE(JsonPath::parse(deep));
}

std::string diff(std::string_view before, std::string_view after) {
  return unified_diff(before, after, "old", "new", false).text();
}

TEST(UnifiedDiff, HasThreeLinesAround) {
  EXPECT_EQ(diff("a\n", "a\n"), "");
  EXPECT_EQ(diff("", ""), "");
  EXPECT_EQ(diff("", "a\nb\n"), "--- old\n+++ new\n@@ -0,0 +1,2 @@\n+a\n+b\n");
  EXPECT_EQ(diff("a\n", ""), "--- old\n+++ new\n@@ -1 +0,0 @@\n-a\n");
  EXPECT_EQ(diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nX\n6\n7\n8\n9\n"),
            "--- old\n+++ new\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+X\n 6\n 7\n 8\n");
}

TEST(UnifiedDiff, JoinsWhatIsNear) {
  const std::string before = "a\n1\n2\n3\n4\n5\n6\nb\n1\n2\n3\n4\n5\n6\n7\nc\n";
  EXPECT_EQ(diff(before, "A\n1\n2\n3\n4\n5\n6\nB\n1\n2\n3\n4\n5\n6\n7\nC\n"),
            "--- old\n+++ new\n"
            "@@ -1,11 +1,11 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n 1\n 2\n 3\n"
            "@@ -13,4 +13,4 @@\n 5\n 6\n 7\n-c\n+C\n");
}

TEST(UnifiedDiff, OfWhatIsTooLargeToCompareShowsBoth) {
  std::string before;
  std::string after;
  for (int i = 0; i < 3000; ++i) {
    before += "b" + std::to_string(i) + "\n";
    after += "a" + std::to_string(i) + "\n";
  }
  EXPECT_THAT(diff(before, after), HasSubstr("@@ -1,3000 +1,3000 @@\n-b0\n-b1\n"));
}

}  // namespace
}  // namespace weft::cli
