// ConfigMaps and Secrets, what refers to them, and that a Secret's values are shown nowhere.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/base64.h"
#include "base/json.h"
#include "model/check.h"
#include "model/config_schema.h"
#include "model/decode.h"
#include "model/load.h"
#include "model/merge.h"
#include "model/paths.h"
#include "model/secret.h"
#include "model/variables.h"

namespace weft::model {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// The diagnostics as a user sees them.
std::string render(const std::string& text) {
  auto loaded = load(text, "f.yaml");
  auto all = std::move(loaded.diagnostics);
  if (!base::has_errors(all)) all.append(check(loaded.objects));
  return base::render(all);
}

std::string secret(const std::string& rest) {
  return "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\n" + rest;
}
std::string config_map(const std::string& rest) {
  return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n" + rest;
}
/// A Job whose container and pod have these fields too.
std::string job(const std::string& container, const std::string& pod = "") {
  return "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec:\n  template:\n    metadata: "
         "{labels: "
         "{tier: back}}\n    spec:\n      restartPolicy: Never\n" +
         pod + "      containers:\n      - name: c\n        image: i\n" + container;
}
/// Of a Job whose volume has a file for each path.
std::string with_paths(const std::vector<std::string>& paths) {
  std::string items;
  for (const auto& path : paths) items += "{key: k, path: \"" + path + "\"}, ";
  return job("", "      volumes: [{name: d, configMap: {name: m, items: [" + items + "]}}]\n");
}

TEST(Config, IsRead) {
  const auto loaded =
      load(secret("type: kubernetes.io/tls\ndata: {a: YWI=}\nstringData: {b: x}\n") + "---\n" +
               config_map("data: {a.txt: x}\nbinaryData: {b: AP8=}\nimmutable: true\n"),
           "f.yaml");
  ASSERT_THAT(base::render(loaded.diagnostics), IsEmpty());
  const auto& read = std::get<Secret>(loaded.objects[0].resource);
  EXPECT_EQ(read.type, "kubernetes.io/tls");
  EXPECT_EQ(read.data.at("a"), "YWI=");
  EXPECT_EQ(read.string_data.at("b"), "x");
  const auto& map = std::get<ConfigMap>(loaded.objects[1].resource);
  EXPECT_EQ(map.data.at("a.txt"), "x");
  EXPECT_EQ(map.binary_data.at("b"), "AP8=");
  EXPECT_TRUE(map.immutable);
}

TEST(Config, WhatCanBeWrongWithIt) {
  struct Case {
    std::string text;
    std::string words;
  };
  // Two, for a line has its own limit.
  const std::string large(most_data_bytes / 2 + 1, 'x');
  for (const auto& [text, words] : {
           Case{config_map("data: {a/b: x}\n"), "the key `a/b` must be letters"},
           Case{config_map("data: {..a: x}\n"), "must not be . or begin with .."},
           Case{config_map("data: {\"\": x}\n"), "must be letters"},
           Case{config_map("data: {" + std::string(254, 'k') + ": x}\n"), "253"},
           Case{config_map("data: {a: }\n"), "the key `a` has no value"},
           Case{config_map("data: {a: 1}\n"), "must be a string"},
           Case{config_map("data: {a: x}\nbinaryData: {a: eA==}\n"), "is also in `data`"},
           Case{config_map("binaryData: {a: x}\n"), "is not base64"},
           Case{config_map("data:\n  a: " + large + "\n  b: " + large + "\n"), "at most 1048576 are allowed"},
           Case{secret("data: {a: " + base::encode_base64(large) + "}\nstringData: {b: " + large + "}\n"),
                "at most 1048576 are allowed"},
           Case{secret("stringData: [a]\n"), "must be a map"},
           Case{job("        env: [{name: A, valueFrom: {}}]\n"), "needs one of configMapKeyRef"},
           Case{
               job("        env: [{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]\n"),
               "both `value` and `valueFrom`"},
           Case{job("        env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]\n"),
                "weft has no `resourceFieldRef`: it would be empty"},
           Case{job("        env: [{name: A, valueFrom: {fieldRef: {fieldPath: status.phase}}}]\n"),
                "no field that an instance can be told of"},
           Case{job("        env: [{name: A, valueFrom: {fieldRef: {fieldPath: "
                    "\"metadata.labels['x']\"}}}]\n"),
                "the template has no label `x`"},
           Case{job("        env: [{name: A}]\n"), "neither `value` nor `valueFrom`"},
           Case{job("        envFrom: [{prefix: A_}]\n"), "needs one of configMapRef and secretRef"},
           Case{job("        volumeMounts: [{name: dat}]\n", "      volumes: [{name: data, emptyDir: {}}]\n"),
                "Did you mean `data`?"},
           Case{job("", "      volumes: [{name: data}]\n"), "needs one of configMap, secret, emptyDir"},
           Case{job("", "      volumes: [{name: d, configMap: {name: m, items: [{key: k, path: ../x}]}}]\n"),
                "must not have a part that begins with .."},
           Case{with_paths({"./z/."}), "must not have a part that is empty or ."},
           Case{with_paths({"z/"}), "must not have a part that is empty or ."},
           Case{with_paths({"x\\0y"}), "must not have a NUL character"},
           Case{with_paths({"x/" + std::string(256, 'y')}), "must not have a part of more than 255 bytes"},
           Case{with_paths({std::string(2049, 'y')}), "must have at most 2048 bytes"},
           Case{with_paths({"x", "x"}), "another key has the path `x` too"},
           Case{with_paths({"x/y/z", "x"}), "`x/y/z` lies below `x`"},
           Case{job("        securityContext: {runAsUser: -1}\n"), "must be at least 0"},
           Case{job("        securityContext: {runAsUser: \"a b\"}\n"), "is no name of a user"},
           Case{job("        securityContext: {runAsUser: [1]}\n"), "the number or the name of a user"},
       }) {
    EXPECT_THAT(render(text), HasSubstr(words)) << text.substr(0, 300);
  }
}

TEST(Config, ThatOfPodAndContainerIsWritten) {
  const auto text =
      job("        securityContext: {runAsUser: postgres, runAsGroup: 12}\n        volumeMounts: [{name: "
          "data}]\n",
          "      volumes: [{name: data, hostPath: {path: /d, type: DirectoryOrCreate}}]\n");
  const auto loaded = load(text, "f.yaml");
  ASSERT_THAT(base::render(loaded.diagnostics), IsEmpty());
  const auto written = encode(loaded.objects.at(0).resource)["spec"]["template"]["spec"];
  EXPECT_EQ(written["containers"][0]["securityContext"],
            (base::Json{{"runAsUser", "postgres"}, {"runAsGroup", 12}}));
  EXPECT_EQ(written["volumes"][0]["hostPath"]["type"], "DirectoryOrCreate");
}

/// As `validate` shows them, and as its JSON has them.
std::string render_and_dump(const std::string& text) {
  auto all = render(text);
  for (const auto& one : load(text, "f.yaml").diagnostics) all += base::to_json(one).dump();
  return all;
}

TEST(Config, NoMessageShowsASecretsValue) {
  for (const auto& rest :
       {"data: {a: hunter2!}\n", "data:\n  a: hunter2!\n", "data: hunter2\n", "data: {a: [hunter2]}\n",
        "stringData: {a: [hunter2]}\n", "stringData: [hunter2]\n", "data: {a/b: hunter2}\n",
        "daten: {a: hunter2}\n", "stringData: {a: {b: hunter2}}\n", "stringData: {a: hunter2, a: hunter2}\n",
        "stringData: {a: 'hunter2}\n", "stringData:\n  a: hunter2\n b: hunter2\n",
        "stringData: {a: \"hunter2\\q\"}\n", "stringData:\n\ta: hunter2\n", "stringData: {a: @hunter2}\n",
        "immutable: hunter2x\nstringData: {a: hunter2}\n"}) {
    const auto words = render_and_dump(secret(rest));
    EXPECT_THAT(words, HasSubstr("error")) << rest;
    const bool is_other_field = std::string(rest).starts_with("immutable");
    if (!is_other_field) EXPECT_THAT(words, Not(HasSubstr("hunter2"))) << rest;
  }
  const auto words = render_and_dump(secret("stringData: {pin: 12345678}\n"));
  EXPECT_THAT(words, AllOf(HasSubstr("must be a string"), Not(HasSubstr("12345678"))));
  EXPECT_THAT(render("{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"A\"}, "
                     "\"stringData\": {\"a\": \"hunter2\"}}"),
              AllOf(HasSubstr("lower case"), Not(HasSubstr("hunter2"))));
  // What stands beside it in the file is shown.
  EXPECT_THAT(render(secret("stringData: {a: hunter2}\n") + "---\n" + config_map("data: {a: [shown]}\n")),
              AllOf(HasSubstr("shown"), Not(HasSubstr("hunter2"))));
}

TEST(Config, AReferenceToNothingIsWarnedOf) {
  struct Case {
    std::string container;
    std::string words;  // empty: none
  };
  const std::string there = secret("data: {password: eA==}\n") + "---\n" + config_map("data: {level: x}\n");
  for (const auto& [container, words] : {
           Case{"        envFrom: [{configMapRef: {name: setings}}]\n", "Did you mean `settings`?"},
           Case{"        envFrom: [{secretRef: {name: other}}]\n", "weft create secret generic other"},
           Case{"        envFrom: [{secretRef: {name: other, optional: true}}]\n", ""},
           Case{"        env: [{name: A, valueFrom: {secretKeyRef: {name: db, key: pasword}}}]\n",
                "Did you mean `password`?"},
           Case{"        env: [{name: A, valueFrom: {secretKeyRef: {name: db, key: password}}}]\n", ""},
           Case{"        env: [{name: A, valueFrom: {configMapKeyRef: {name: settings, key: level}}}]\n", ""},
       }) {
    const auto all = render(there + job(container));
    if (words.empty())
      EXPECT_THAT(all, IsEmpty()) << container;
    else
      EXPECT_THAT(all, AllOf(HasSubstr("model/missing-reference"), HasSubstr(words))) << container;
  }
  EXPECT_THAT(render(there + job("", "      volumes: [{name: v, secret: {secretName: none}}]\n")),
              HasSubstr("there is no Secret `none`"));
}

TEST(Config, AMountPathIsWarnedOfUnlessItIsTheHosts) {
  const std::string volumes =
      "      volumes: [{name: my-data, hostPath: {path: /srv}}, {name: b, emptyDir: {}}]\n";
  EXPECT_THAT(render(job("        volumeMounts: [{name: my-data, mountPath: /srv}, {name: b}]\n", volumes)),
              IsEmpty());
  EXPECT_THAT(render(job("        volumeMounts: [{name: my-data, mountPath: /data}]\n", volumes)),
              AllOf(HasSubstr("mounts nothing at /data"), HasSubstr("$(VOLUME_MY_DATA)")));
}

TEST(Config, ManyFaultsInOneLineAreFoundWithoutWalkingItForEach) {
  std::string items;
  for (int item = 0; item < 5; ++item) {
    std::string numbers;
    for (int i = 0; i < 10'000; ++i) numbers += fmt::format("{}\"k{}\":{}", i == 0 ? "" : ",", i, i);
    items +=
        fmt::format(R"({}{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a{}"}},"data":{{{}}}}})",
                    item == 0 ? "" : ",", item, numbers);
  }
  const auto begin = std::chrono::steady_clock::now();
  const auto loaded = load(R"({"apiVersion":"v1","kind":"List","items":[)" + items + "]}", "f.json");
  EXPECT_EQ(loaded.diagnostics.count(base::Severity::error), 50'000U);
  // A minute and more if each walks there; with sanitizers it takes some seconds.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

TEST(Secrets, TextsBecomeData) {
  const base::Json folded = with_folded_data(
      {{"kind", "Secret"}, {"data", {{"a", "eA=="}, {"b", "eQ=="}}}, {"stringData", {{"a", "foobar"}}}});
  EXPECT_EQ(folded, (base::Json{{"kind", "Secret"}, {"data", {{"a", "Zm9vYmFy"}, {"b", "eQ=="}}}}));
  const base::Json other = {{"kind", "ConfigMap"}, {"stringData", {{"a", "x"}}}};
  EXPECT_EQ(with_folded_data(other), other);
}

TEST(Secrets, ValuesAreHiddenWhereverTheyAre) {
  const base::Json document = {{"kind", "Secret"},
                               {"data", {{"a", "Zm9vYmFy"}, {"n", nullptr}, {"l", {"x"}}}}};
  const auto hidden = without_values(document);
  EXPECT_EQ(hidden["data"], (base::Json{{"a", "(hidden, 6 bytes)"}, {"n", nullptr}, {"l", "(hidden)"}}));
  EXPECT_EQ(without_values(hidden), hidden);
  EXPECT_FALSE(base::decode_base64("(hidden, 6 bytes)")) << "it cannot be applied again";
  const auto list = without_values({{"kind", "List"}, {"items", {document}}});
  EXPECT_EQ(list["items"][0]["data"]["a"], "(hidden, 6 bytes)");
  const auto own_list = without_values({{"kind", "SecretList"}, {"items", {{{"data", {{"a", "eA=="}}}}}}});
  EXPECT_EQ(own_list["items"][0]["data"]["a"], "(hidden, 1 bytes)");
}

TEST(Secrets, WhatWasAppliedLastHasTheirKeysAlone) {
  const base::Json desired = {{"kind", "Secret"}, {"metadata", {{"name", "db"}}}, {"data", {{"a", "Zm9v"}}}};
  const auto applied = with_last_applied(desired);
  EXPECT_THAT(applied["metadata"].dump(), Not(HasSubstr("Zm9v")));
  // A key that has left the file is removed all the same.
  const base::Json without = {{"kind", "Secret"}, {"metadata", {{"name", "db"}}}, {"data", {{"b", "Zm9v"}}}};
  const auto patch = three_way_patch(last_applied_of(applied), applied, without);
  EXPECT_EQ(patch["data"], (base::Json{{"a", nullptr}, {"b", "Zm9v"}}));
  // As kubectl sends it.
  base::Json sent = desired;
  sent["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = desired.dump();
  hide_last_applied(sent);
  EXPECT_THAT(sent["metadata"].dump(), Not(HasSubstr("Zm9v")));
  EXPECT_EQ(sent["data"]["a"], "Zm9v");
}

TEST(Secrets, TwoStatesShowThatTheyDifferAndNoMore) {
  base::Json before = {{"kind", "Secret"}, {"data", {{"same", "eA=="}, {"other", "eA=="}, {"gone", "eA=="}}}};
  base::Json after = {{"kind", "Secret"}, {"data", {{"same", "eA=="}, {"other", "eQ=="}, {"new", "eA=="}}}};
  hide_values(before, after);
  EXPECT_EQ(before["data"],
            (base::Json{{"same", "(hidden)"}, {"other", "(hidden, before)"}, {"gone", "(hidden, before)"}}));
  EXPECT_EQ(after["data"],
            (base::Json{{"same", "(hidden)"}, {"other", "(hidden, after)"}, {"new", "(hidden, after)"}}));
}

TEST(Variables, OfServicesWithOneName) {
  struct Case {
    std::string name;
    std::vector<Ref> targets;
    std::vector<std::string> prefixes;
  };
  const auto service = [](std::string ns, std::string name) {
    return Ref{DependencyKind::service, std::move(ns), std::move(name)};
  };
  for (const auto& [name, targets, prefixes] : {
           Case{"none", {service("default", "db"), service("other", "cart-api")}, {"DB", "CART_API"}},
           Case{"the own one is plain",
                {service("other", "db"), service("default", "db")},
                {"DB", "OTHER_DB"}},
           Case{"else the first", {service("b", "db"), service("a", "db")}, {"DB", "A_DB"}},
           Case{"three",
                {service("b", "db"), service("a", "db"), service("c-d", "db")},
                {"DB", "A_DB", "C_D_DB"}},
           Case{"dots and dashes",
                {service("default", "a-b"), service("default", "a.b")},
                {"A_B", "DEFAULT_A_B"}},
           Case{"even that is taken",
                {service("default", "db"), service("default", "o-db"), service("o", "db")},
                {"DB", "O_DB", "O_DB_2"}},
           Case{"named twice", {service("default", "db"), service("default", "db")}, {"DB"}},
       }) {
    Workload workload{
        .ref = {DependencyKind::deployment, "default", "web"}, .services = {}, .dependencies = {}};
    for (const auto& target : targets) workload.dependencies.push_back({.target = target, .origin = {}});
    std::vector<std::string> found;
    for (const auto& named : named_services(workload)) found.push_back(named.prefix);
    EXPECT_EQ(found, prefixes) << name;
  }
}

TEST(Variables, ACollisionIsWarnedOf) {
  const std::string services =
      "---\napiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {selector: {a: b}, ports: [{port: "
      "1}]}\n"
      "---\napiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: other}\nspec: {selector: {a: b}, "
      "ports: "
      "[{port: 1}]}\n";
  const auto with = [&](const std::string& depends_on, const std::string& env) {
    return render(services + job("        env: [" + env + "]\n") + "  dependsOn: [" + depends_on + "]\n");
  };
  EXPECT_THAT(with("{name: db, namespace: other}, {name: db}", ""),
              AllOf(HasSubstr("model/variable-collision"), HasSubstr("OTHER_DB_SERVICE_HOST")));
  EXPECT_THAT(with("{name: db}", "{name: DB_URL, value: x}"), HasSubstr("`DB_URL` hides the variable"));
  EXPECT_THAT(with("{name: db}", "{name: DB_SERVICE_PORT_HTTP, value: x}"), HasSubstr("hides the variable"));
  EXPECT_THAT(
      with("{name: db}", "{name: DB_URL, value: \"pg://$(DB_SERVICE_HOST)\"}, {name: DB_SERVICE, value: x}"),
      Not(HasSubstr("model/variable-collision")));
}

TEST(Paths, AreThoseThatBeginLikeOne) {
  auto loaded = load(job("        workingDir: w\n", "      volumes: [{name: v, hostPath: {path: d}}]\n") +
                         "      - {name: d, image: ./x}\n",
                     "f.yaml");
  std::vector<std::string> fields;
  for_each_path(loaded.objects.at(0).resource, [&](const PathField& path) { fields.push_back(path.field); });
  EXPECT_THAT(fields, ElementsAre("spec.template.spec.containers[0].workingDir",
                                  "spec.template.spec.containers[1].image",
                                  "spec.template.spec.volumes[0].hostPath.path"));
}

}  // namespace
}  // namespace weft::model
