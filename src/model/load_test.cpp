#include "model/load.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "model/check.h"

namespace weft::model {
namespace {

std::string file_text(const std::string& path) {
  std::ifstream file(std::string(WEFT_SOURCE_DIR) + "/" + path);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << path;
  return text.str();
}

constexpr std::string_view a_namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n";

TEST(Original, BrokenDeploymentIsRefused) {
  Loaded loaded = load(file_text("examples/original/deployment-broken.yaml"), "deployment.yaml");
  EXPECT_TRUE(loaded.objects.empty());
  EXPECT_EQ(
      base::render(loaded.diagnostics),
      R"(deployment.yaml:17:11: error: `image:` is indented deeper than `name:` in line 16, which already has the value `simple-web-service` [yaml/bad-indent]
   17 |           image: example-web-service
      |           ^
      = Line up `image:` with `name:` in line 16, column 9: remove 2 spaces (and move what belongs to `image:` with it).
)");
}

TEST(Original, ServiceLoadsAndItsDependencyIsMissing) {
  Loaded loaded = load(file_text("examples/original/service.yaml"), "service.yaml");
  EXPECT_TRUE(loaded.diagnostics.empty()) << base::render(loaded.diagnostics);
  ASSERT_EQ(loaded.objects.size(), 1U);
  EXPECT_EQ(
      base::render(check(loaded.objects)),
      R"(service.yaml:6:3: warning: no Deployment or Job has the labels app=simple-web-service that Service `simple-web-service` selects [model/selects-nothing]
    6 |   selector:
      |   ^
      = Give `spec.selector` the labels of a Deployment's template.
service.yaml:13:13: warning: Service `simple-web-service` depends on the Deployment `simple-web-service-deployment`, which does not exist: it will wait for it [model/missing-dependency]
   13 |     - name: simple-web-service-deployment
      |             ^
      = Apply the Deployment `simple-web-service-deployment` too, or remove the entry.
)");
}

TEST(Original, BothTogetherWarnOfPortAndName) {
  Loaded all = load(file_text("examples/original/service.yaml"), "service.yaml");
  Loaded more = load(file_text("examples/original/deployment.yaml"), "deployment.yaml");
  EXPECT_TRUE(more.diagnostics.empty()) << base::render(more.diagnostics);
  all.objects.push_back(more.objects.at(0));
  EXPECT_EQ(
      base::render(check(all.objects)),
      R"(service.yaml:11:17: warning: targetPort 8080 is no containerPort of Deployment `simple-web-service` (containerPort 80): the Service will have no endpoints there [model/target-port-mismatch]
   11 |     targetPort: 8080
      |                 ^
      = Write `targetPort: 80`, or `containerPort: 8080` in Deployment `simple-web-service`.
service.yaml:13:13: warning: Service `simple-web-service` depends on the Deployment `simple-web-service-deployment`, which does not exist: it will wait for it [model/missing-dependency]
   13 |     - name: simple-web-service-deployment
      |             ^
      = Did you mean `simple-web-service`?
)");
}

TEST(Load, ManyDocumentsWithPositions) {
  Loaded loaded =
      load(std::string(a_namespace) + "---\n# next\napiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n",
           "f.yaml");
  ASSERT_EQ(loaded.objects.size(), 2U) << base::render(loaded.diagnostics);
  EXPECT_EQ(loaded.objects[0].position.line, 1U);
  EXPECT_EQ(loaded.objects[1].position.line, 6U);
}

TEST(Load, OneBadDocumentOfMany) {
  Loaded loaded =
      load(std::string(a_namespace) + "---\nkind: Nothing\napiVersion: v1\n---\n" + std::string(a_namespace),
           "f.yaml");
  EXPECT_TRUE(base::has_errors(loaded.diagnostics)) << "so that the caller applies none";
}

TEST(Load, ListsAreTheirItems) {
  std::string items =
      "items:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: a}\n- apiVersion: v1\n  kind: "
      "Namespace\n  metadata: {name: b}\n";
  EXPECT_EQ(load("apiVersion: v1\nkind: List\n" + items, "").objects.size(), 2U);
  EXPECT_EQ(load("apiVersion: v1\nkind: NamespaceList\nmetadata: {resourceVersion: \"1\"}\n" + items, "")
                .objects.size(),
            2U);
}

TEST(Load, TheSameResourceTwice) {
  Loaded loaded = load(std::string(a_namespace) + "---\n" + std::string(a_namespace), "f.yaml");
  ASSERT_EQ(loaded.diagnostics.size(), 1U);
  EXPECT_EQ(loaded.diagnostics[0].code, "model/duplicate-resource");
  EXPECT_EQ(loaded.diagnostics[0].position.line, 7U);
}

TEST(Load, OneFaultIsOneError) {
  const std::string head = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n";
  const std::string job =
      "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n"
      "      restartPolicy: Never\n";
  struct Case {
    const char* name;
    std::string text;
    std::string code;
  };
  const Case cases[] = {
      {"a key twice", head + "spec:\n  ports: [{port: 80}]\n  ports: [{port: 81}]\n", "yaml/duplicate-key"},
      {"a key twice, of which the second is wrong", head + "spec:\n  ports: [{port: 80}]\n  ports: 81\n",
       "yaml/duplicate-key"},
      {"what must be there, misspelt", head + "spec:\n  prots: [{port: 80}]\n", "model/unknown-field"},
      {"the same with a character that is not seen", head + "spec:\n  po\u200brts: [{port: 80}]\n",
       "model/unknown-field"},
      {"what must be there, one level too high", head + "ports: [{port: 80}]\n", "model/unknown-field"},
      {"the same below", job + "  containers: [{name: c, image: x}]\n", "model/unknown-field"},
      {"no line between two resources", head + "spec: {ports: [{port: 80}]}\n" + head + "spec: {x: y}\n",
       "yaml/duplicate-key"},
      {"a port twice", head + "spec: {ports: [{name: a, port: 80}, {name: a, port: 80}]}\n",
       "model/duplicate"},
      {"null for what must be there", head + "spec: {ports: [{port: ~}]}\n", "model/missing-field"},
  };
  for (const auto& [name, text, code] : cases) {
    const Loaded loaded = load(text, "f.yaml");
    ASSERT_EQ(loaded.diagnostics.size(), 1U) << name << ": " << base::render(loaded.diagnostics);
    EXPECT_EQ(loaded.diagnostics[0].code, code) << name;
  }
}

TEST(Load, OneWarningIsGivenOnce) {
  const Loaded loaded = load(R"(kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: a}
  spec: &spec {sessionAffinity: None, ports: [{port: 80}]}
- apiVersion: v1
  kind: Service
  metadata: {name: b}
  spec: *spec
)",
                             "f.yaml");
  EXPECT_EQ(loaded.objects.size(), 2U);
  EXPECT_EQ(loaded.diagnostics.size(), 1U) << base::render(loaded.diagnostics);
}

TEST(Load, NullIsNotIgnored) {
  const Loaded loaded = load(
      "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {sessionAffinity: ~, ports: [{port: 80}]}\n",
      "f.yaml");
  EXPECT_TRUE(loaded.diagnostics.empty()) << base::render(loaded.diagnostics) << "it is not there";
}

TEST(Check, NotesWhichPortsAreTakenForTcp) {
  const auto found = check(load(R"(apiVersion: v1
kind: Service
metadata: {name: db}
spec: {selector: {app: db}, ports: [{name: mysql, port: 80}, {name: b, port: 5432}, {name: http, port: 25},
  {name: grpc, port: 9042}, {name: tcp, port: 22}, {name: c, port: 81}, {name: d, port: 82, targetPort: 6379}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db}
spec:
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, image: x}]}}
)",
                                "f.yaml")
                               .objects);
  ASSERT_EQ(found.size(), 3U) << base::render(found);
  EXPECT_EQ(found.count(base::Severity::note), 3U);
  EXPECT_EQ(found[2].field, "spec.ports[6].targetPort");
  EXPECT_NE(found[2].message.find("port 6379 is that of Redis"), std::string::npos) << found[2].message;
  EXPECT_EQ(found[0].field, "spec.ports[0].name");
  EXPECT_NE(found[0].message.find("MySQL"), std::string::npos) << found[0].message;
  EXPECT_EQ(found[1].field, "spec.ports[1].port");
  EXPECT_NE(found[1].message.find("PostgreSQL"), std::string::npos) << found[1].message;
}

TEST(Load, NamespaceIsFilledIn) {
  std::string text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 1}]}\n";
  EXPECT_EQ(load(text, "").objects.at(0).json["metadata"]["namespace"], "default");
  Loaded other = load(text, "", {.default_namespace = "shop"});
  EXPECT_EQ(other.objects.at(0).json["metadata"]["namespace"], "shop");
  EXPECT_EQ(metadata_of(other.objects[0].resource).ns, "shop");
  EXPECT_FALSE(load(std::string(a_namespace), "").objects.at(0).json["metadata"].contains("namespace"));
}

TEST(Load, WhatIsSaidOfAFileIsBounded) {
  std::string unknown = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports: [{port: 80}]\n";
  for (int i = 0; i < 50'000; ++i) unknown += fmt::format("  portz{}: 1\n", i);
  std::string documents;
  for (int i = 0; i < 50'000; ++i) documents += "---\na: 1\n";
  const std::string name = "apiVersion: v1\nkind: Service\nmetadata: {name: " + std::string(1'000'000, 'A') +
                           "}\nspec: {ports: [{port: 80}]}\n";
  for (const std::string& text : {unknown, documents, name})
    EXPECT_LT(base::render(load(text, "f.yaml").diagnostics).size(), 100'000U) << text.substr(0, 20);
  std::string missing;
  for (int i = 0; i < 5'000; ++i)
    missing += fmt::format(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{}}}\nspec: {{ports: [{{port: 80}}], "
        "dependsOn: [{{name: t{}}}]}}\n",
        i, i);
  const auto findings = check(load(missing, "f.yaml").objects);
  EXPECT_EQ(findings.count(base::Severity::warning), 10'000U);
  EXPECT_LT(base::render(findings).size(), 100'000U);
}

}  // namespace
}  // namespace weft::model
