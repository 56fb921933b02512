#include "model/merge.h"

#include <gtest/gtest.h>

#include <string>

#include "model/resource.h"

namespace weft::model {
namespace {

using base::Json;

struct Merge {
  std::string name;
  std::string last, live, desired;
  std::string patch;
  std::string result;
};
class ThreeWay : public ::testing::TestWithParam<Merge> {};

TEST_P(ThreeWay, Patch) {
  const Merge& one = GetParam();
  Json live = Json::parse(one.live);
  Json patch = three_way_patch(Json::parse(one.last), live, Json::parse(one.desired));
  EXPECT_EQ(patch, Json::parse(one.patch)) << patch;
  EXPECT_EQ(apply_merge_patch(live, patch), Json::parse(one.result));
}

const Merge merges[] = {
    {"Nothing", R"({"a":1})", R"({"a":1,"b":2})", R"({"a":1})", "{}", R"({"a":1,"b":2})"},
    {"Add", R"({"a":1})", R"({"a":1})", R"({"a":1,"b":2})", R"({"b":2})", R"({"a":1,"b":2})"},
    {"Change", R"({"a":1})", R"({"a":1})", R"({"a":2})", R"({"a":2})", R"({"a":2})"},
    {"Remove", R"({"a":1,"b":2})", R"({"a":1,"b":2})", R"({"a":1})", R"({"b":null})", R"({"a":1})"},
    {"KeepsWhatOthersSet", R"({"a":1})", R"({"a":1,"status":{"x":1}})", R"({"a":2})", R"({"a":2})",
     R"({"a":2,"status":{"x":1}})"},
    {"UndoesDrift", R"({"a":1})", R"({"a":5})", R"({"a":1})", R"({"a":1})", R"({"a":1})"},
    {"RemovedTwice", R"({"a":1,"b":2})", R"({"a":1})", R"({"a":1})", "{}", R"({"a":1})"},
    {"Nested", R"({"s":{"a":1,"b":{"c":1,"d":2}}})", R"({"s":{"a":1,"b":{"c":1,"d":2,"live":3}}})",
     R"({"s":{"a":1,"b":{"c":4}}})", R"({"s":{"b":{"c":4,"d":null}}})",
     R"({"s":{"a":1,"b":{"c":4,"live":3}}})"},
    {"RemoveNested", R"({"s":{"a":{"b":1}}})", R"({"s":{"a":{"b":1},"z":1}})", R"({"s":{}})",
     R"({"s":{"a":null}})", R"({"s":{"z":1}})"},
    {"ListsAreReplaced", R"({"l":[1,2]})", R"({"l":[1,2,3]})", R"({"l":[2]})", R"({"l":[2]})",
     R"({"l":[2]})"},
    {"MapBecomesScalar", R"({"a":{"b":1}})", R"({"a":{"b":1}})", R"({"a":2})", R"({"a":2})", R"({"a":2})"},
    {"ScalarBecomesMap", R"({"a":2})", R"({"a":2})", R"({"a":{"b":1}})", R"({"a":{"b":1}})",
     R"({"a":{"b":1}})"},
    {"NeverApplied", "null", R"({"a":1,"b":2})", R"({"a":3})", R"({"a":3})", R"({"a":3,"b":2})"},
    {"NullIsNotSet", R"({"a":1})", R"({"a":1})", R"({"a":null})", R"({"a":null})", "{}"},
    {"NullThatIsStored", R"({"a":null})", R"({"a":null})", R"({"a":null})", "{}", R"({"a":null})"},
    {"NullOfNothing", "{}", "{}", R"({"a":null})", "{}", "{}"},
};
INSTANTIATE_TEST_SUITE_P(Model, ThreeWay, ::testing::ValuesIn(merges),
                         [](const auto& one) { return one.param.name; });

TEST(MergePatch, ExamplesOfRfc7386) {
  struct Case {
    std::string target, patch, result;
  };
  // RFC 7386, appendix A.
  for (const Case& one :
       {Case{R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
        Case{R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
        Case{R"({"a":"b"})", R"({"a":null})", "{}"}, Case{R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
        Case{R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
        Case{R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
        Case{R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"}, Case{R"({"a":"b"})", R"(["c"])", R"(["c"])"},
        Case{R"({"a":"foo"})", "null", "null"}, Case{"[1,2]", R"({"a":"b","c":null})", R"({"a":"b"})"},
        Case{"{}", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"}})
    EXPECT_EQ(apply_merge_patch(Json::parse(one.target), Json::parse(one.patch)), Json::parse(one.result))
        << one.patch;
}

TEST(LastApplied, IsTheDocumentWithoutItself) {
  Json document = Json::parse(R"({"kind":"Service","metadata":{"name":"a","annotations":{"x":"y"}}})");
  Json first = with_last_applied(document);
  EXPECT_EQ(last_applied_of(first), document);
  EXPECT_EQ(with_last_applied(first), first) << "it does not grow";
  EXPECT_TRUE(last_applied_of(document).is_null());
  EXPECT_TRUE(last_applied_of(Json::parse(R"({"metadata":{"annotations":null}})")).is_null());
  first["metadata"]["annotations"][std::string(annotation::last_applied)] = "{broken";
  EXPECT_TRUE(last_applied_of(first).is_null());
  Json bare = Json::parse(R"({"metadata":{"annotations":null}})");
  EXPECT_EQ(last_applied_of(with_last_applied(bare)), bare);
}

}  // namespace
}  // namespace weft::model
