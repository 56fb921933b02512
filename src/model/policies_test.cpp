// What may be wrong with a TrafficPolicy and an ExternalService.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "model/load.h"

namespace weft::model {
namespace {

std::string external_with(std::string_view spec) {
  return "apiVersion: weft.dev/v1alpha1\nkind: ExternalService\nmetadata: {name: a}\nspec: {" +
         std::string(spec) + "}\n";
}
std::string policy_with(std::string_view spec) {
  return "apiVersion: weft.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: a}\nspec: {" +
         std::string(spec) + "}\n";
}

struct Wrong {
  std::string name;
  std::string text;
  std::string code;
  std::string field;
  std::uint32_t line;
  std::string says;  // a part of the message or the mend
};

TEST(Policies, SayWhatIsWrongOnce) {
  const Wrong cases[] = {
      {"ExternalWithoutPlace", external_with("ports: [{port: 80}]"), "missing-field", "spec", 4, "addresses"},
      {"ExternalInTwoPlaces", external_with("host: a.test, addresses: [192.0.2.1], ports: [{port: 80}]"),
       "invalid-value", "spec.addresses", 4, "either"},
      {"ExternalByUrl", external_with("host: \"https://a.test/\", ports: [{port: 80}]"), "invalid-value",
       "spec.host", 4, "the name alone"},
      {"ExternalNamedAsAddress", external_with("addresses: [a.test], ports: [{port: 80}]"), "invalid-value",
       "spec.addresses[0]", 4, "as `host`"},
      {"ExternalPortByName", external_with("host: a.test, ports: [{port: 80, targetPort: http}]"),
       "invalid-value", "spec.ports[0].targetPort", 4, "number"},
      {"PolicyOfNothing", policy_with("targetRefs: []"), "invalid-value", "spec.targetRefs", 4,
       "at least one"},
      {"PolicyOfADeployment", policy_with("targetRefs: [{kind: Deployment, name: a}]"), "invalid-value",
       "spec.targetRefs[0].kind", 4, "kind: Service"},
      {"PolicyOfAGroup", policy_with("targetRefs: [{group: apps, kind: Service, name: a}]"), "invalid-value",
       "spec.targetRefs[0].group", 4, "Leave it out"},
      {"PolicyTwiceForOne", policy_with("targetRefs: [{kind: Service, name: a}, {kind: Service, name: a}]"),
       "duplicate", "spec.targetRefs[1].name", 4, "targetRefs[0]"},
      {"PolicyThatNeverConnects",
       policy_with("targetRefs: [{kind: Service, name: a}], timeouts: {connect: 0s}"), "invalid-value",
       "spec.timeouts.connect", 4, "5s"},
      {"PolicyWithANumber", policy_with("targetRefs: [{kind: Service, name: a}], timeouts: {request: 5}"),
       "invalid-value", "spec.timeouts.request", 4, "5s"},
  };
  for (const auto& wrong : cases) {
    const Loaded loaded = load(wrong.text, "f.yaml");
    ASSERT_EQ(loaded.diagnostics.size(), 1U) << wrong.name << "\n" << base::render(loaded.diagnostics);
    const auto& found = *loaded.diagnostics.begin();
    EXPECT_EQ(found.code, "model/" + wrong.code) << wrong.name;
    EXPECT_EQ(found.field, wrong.field) << wrong.name;
    EXPECT_EQ(found.position.line, wrong.line) << wrong.name;
    EXPECT_THAT(found.message + " " + found.mend, ::testing::HasSubstr(wrong.says)) << wrong.name;
  }
}

}  // namespace
}  // namespace weft::model
