#include "control/api/select.h"

#include <gtest/gtest.h>

namespace weft::control::api {
namespace {

using base::Json;

const Json pod = Json::parse(R"({"kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop",
                                 "labels": {"app": "web", "tier": "front"}}, "status": {"phase": "Running"}})");

struct Case {
  const char* ns;
  const char* labels;
  const char* fields;
  bool expected;
};

TEST(Selection, MatchesByNamespaceLabelsAndFields) {
  const std::vector<Case> cases{
      {"", "", "", true},
      {"shop", "", "", true},
      {"default", "", "", false},
      {"", "app=web", "", true},
      {"", "app=web,tier!=front", "", false},
      {"", "app in (web, cart),!gone", "", true},
      {"", "", "metadata.name=web-0", true},
      {"", "", "metadata.name==web-0,status.phase=Running", true},
      {"", "", "metadata.name!=web-0", false},
      {"", "", "status.phase!=Failed", true},
      {"", "", "spec.nodeName=", true},
      {"shop", "app=web", "metadata.namespace=shop", true},
      {"shop", "app=cart", "metadata.namespace=shop", false},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(std::string(test.ns) + " " + test.labels + " " + test.fields);
    const auto selection = parse_selection(*model::find_kind("Pod"), test.ns, test.labels, test.fields);
    ASSERT_TRUE(selection.has_value()) << selection.error().message;
    EXPECT_EQ(selection->matches(pod), test.expected);
  }
}

TEST(Selection, RefusesWhatItCannotRead) {
  const auto& service = *model::find_kind("Service");
  for (const auto* labels : {"a=b=c", "in (", "=x", "a in"}) {
    const auto selection = parse_selection(service, "", labels, "");
    ASSERT_FALSE(selection.has_value()) << labels;
    EXPECT_EQ(selection.error().reason, Reason::bad_request);
  }
  for (const auto* fields : {"metadata.name", "=x", "status.phase=Running", "spec.clusterIP=None"}) {
    const auto selection = parse_selection(service, "", "", fields);
    ASSERT_FALSE(selection.has_value()) << fields;
    EXPECT_EQ(selection.error().reason, Reason::bad_request);
  }
}

}  // namespace
}  // namespace weft::control::api
