// What instances are told from ConfigMaps and Secrets, and that they wait for them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/reconcile/config.h"
#include "control/reconcile/testing_mesh_test.h"
#include "control/reconcile/testing_yaml_test.h"

namespace weft::control::reconcile::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

const std::string reads_both = R"(
        envFrom: [{configMapRef: {name: settings}, prefix: APP_}]
        volumeMounts: [{name: files}]
        securityContext: {runAsUser: 12}
)";
const std::string volumes =
    "      volumes: [{name: files, secret: {secretName: db, items: [{key: a, path: x/a}]}}]\n";

std::string settings(const std::string& data) {
  return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {" + data + "}\n";
}
std::string secret(const std::string& data) {
  return "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata: {" + data + "}\n";
}
std::string web() { return deployment("web", 1, "image", reads_both) + volumes; }

base::Json waiting(Mesh& mesh) {
  const auto pods = mesh.store.list("Pod", "default").objects;
  if (pods.empty()) return {};
  return (*pods.front())["status"]["containerStatuses"][0]["state"]["waiting"];
}

provider::InstanceSpec spec_of_web(const Mesh& mesh) {
  return mesh.provider.specs.at(mesh.provider.running("web").at(0));
}

TEST(ConfigOfInstances, IsWaitedForAndThenGivenAsItStands) {
  Mesh mesh;
  mesh.apply(web());
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return !waiting(mesh).is_null(); }));
  EXPECT_EQ(waiting(mesh)["reason"], "CreateContainerConfigError");
  EXPECT_EQ(waiting(mesh)["message"], "ConfigMap default/settings does not exist");
  mesh.apply(settings("A: \"$(OWN) $$\", B-1.x: two"));
  ASSERT_TRUE(
      mesh.until([&] { return waiting(mesh)["message"] == "Secret default/db does not exist"; }, 100ms));
  mesh.apply(secret("b: eA=="));
  ASSERT_TRUE(
      mesh.until([&] { return waiting(mesh)["message"] == "Secret default/db has no key a"; }, 100ms));
  mesh.apply(secret("a: Zm9v"));
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }, 100ms)) << "at once, whatever the pause is";
  const auto spec = spec_of_web(mesh);
  const std::map<std::string, std::string> environment(spec.environment.begin(), spec.environment.end());
  EXPECT_EQ(environment.at("APP_A"), "$$(OWN) $$$$") << "expands to the very value";
  EXPECT_EQ(environment.at("APP_B-1.x"), "two");
  ASSERT_EQ(spec.volumes.size(), 1U);
  EXPECT_EQ(spec.volumes[0].variable, "VOLUME_FILES");
  EXPECT_EQ(spec.volumes[0].files.at(0).path, "x/a");
  EXPECT_EQ(spec.volumes[0].files.at(0).bytes, "foo");
  EXPECT_EQ(spec.volumes[0].files.at(0).mode, 0600U);
  EXPECT_EQ(spec.run_as.user, "12");
}

TEST(ConfigOfInstances, AChangeRestartsNothingAndRefreshesVolumes) {
  Mesh mesh;
  mesh.apply(web());
  mesh.apply(settings("A: one"));
  mesh.apply(secret("a: Zm9v"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  mesh.apply(settings("A: two"));
  mesh.apply(secret("a: YmFy"));
  ASSERT_TRUE(mesh.until([&] { return spec_of_web(mesh).volumes.at(0).files.at(0).bytes == "bar"; }));
  mesh.pass(5s);
  EXPECT_EQ(mesh.order("start").size(), 1U);
  mesh.remove("Secret", "db");
  mesh.pass(5s);
  EXPECT_EQ(spec_of_web(mesh).volumes.at(0).files.at(0).bytes, "bar") << "what is used stays";
}

TEST(ConfigOfInstances, ANewControlPlaneGivesWhatHasChangedMeanwhile) {
  Mesh mesh;
  mesh.apply(web());
  mesh.apply(settings("A: one"));
  mesh.apply(secret("a: Zm9v"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  mesh.kill_control_plane();
  mesh.apply(secret("a: YmFy"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return spec_of_web(mesh).volumes.at(0).files.at(0).bytes == "bar"; }));
  EXPECT_EQ(mesh.order("start").size(), 1U);
}

/// Its template has changed with the control plane away: it keeps what its own template names.
TEST(ConfigOfInstances, AnOldInstanceKeepsTheVolumesOfItsTemplate) {
  for (const bool is_kept : {true, false}) {
    Mesh mesh;
    mesh.apply(web());
    mesh.apply(settings("A: one"));
    mesh.apply(secret("a: Zm9v"));
    mesh.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: new}\ndata: {a: bmV3}\n");
    mesh.start_control_plane();
    ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
    mesh.kill_control_plane();
    if (!is_kept) {
      const auto revision = mesh.store.list("ControllerRevision", "default").objects.at(0);
      mesh.remove("ControllerRevision", store::key_of(*revision).name);
    }
    mesh.patch("Deployment", "web", "/spec/template/spec/volumes/0/secret/secretName", "new");
    mesh.patch("Deployment", "web", "/spec/template/spec/containers/0/image", "missing");
    mesh.provider.missing_images = {"missing"};
    mesh.apply(secret("a: YmFy"));
    mesh.start_control_plane();
    mesh.pass(2s);
    const auto files = spec_of_web(mesh).volumes.at(0).files;
    EXPECT_EQ(files.at(0).bytes, is_kept ? "bar" : "foo");
    EXPECT_EQ(spec_of_web(mesh).image, "image");
  }
}

TEST(ConfigOfInstances, AChangeRefreshesWhoHasIt) {
  Mesh mesh;
  mesh.apply(web());
  mesh.apply(deployment("other", 1, "image", "        volumeMounts: [{name: files}]\n") +
             "      volumes: [{name: files, configMap: {name: other}}]\n");
  mesh.apply(settings("A: one"));
  mesh.apply(secret("a: Zm9v"));
  mesh.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {a: one}\n");
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1 && mesh.ready("other") == 1; }));
  mesh.provider.calls.clear();
  mesh.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {a: two}\n");
  mesh.pass(1s);
  EXPECT_THAT(mesh.order("refresh"), ElementsAre("other"));
  mesh.apply(settings("A: two"));
  mesh.pass(1s);
  EXPECT_EQ(mesh.order("refresh").size(), 1U) << "it is no volume of anybody";
}

TEST(ConfigOfInstances, WhatGoesWhileItIsRefreshedLacksNothing) {
  Mesh mesh;
  mesh.apply(web());
  mesh.apply(settings("A: one"));
  mesh.apply(secret("a: Zm9v"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  mesh.provider.refreshing.clear();
  mesh.apply(secret("a: YmFy"));
  mesh.pass(1s);
  mesh.patch("Deployment", "web", "/spec/replicas", 0);
  ASSERT_TRUE(mesh.until([&] { return mesh.provider.instances.empty(); }));
  mesh.provider.refreshing.set();
  mesh.pass(1s);
  for (const auto& event : mesh.store.list("Event", "default").objects)
    EXPECT_NE((*event)["reason"], "FailedMount");
}

TEST(ConfigOfInstances, AJobWaitsWithoutCountingRuns) {
  Mesh mesh;
  auto text = job("migrate", 0);
  const std::string image = "image: image";
  ASSERT_NE(text.find(image), std::string::npos);
  text.insert(text.find(image) + image.size(), ", envFrom: [{secretRef: {name: db}}]");
  mesh.apply(text);
  mesh.start_control_plane();
  mesh.pass(600s);
  EXPECT_EQ(mesh.condition("Job", "migrate", "Failed"), "False CreateContainerConfigError");
  mesh.apply(secret("a: Zm9v"));
  ASSERT_TRUE(mesh.until([&] { return mesh.provider.running("migrate").size() == 1; }, 100ms));
}

TEST(ConfigOfInstances, FieldsAreThoseOfTheInstance) {
  Mesh mesh;
  mesh.apply(deployment("web", 1, "image", R"(
        envFrom: [{configMapRef: {name: none, optional: true}}]
      serviceAccountName: web-account
)"));
  mesh.patch("Deployment", "web", "/spec/template/spec/containers/0/env", base::Json::parse(R"([
    {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
    {"name": "HASH", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['pod-template-hash']"}}},
    {"name": "ACCOUNT", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}},
    {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    {"name": "MAYBE", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k", "optional": true}}}])"));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return mesh.ready("web") == 1; }));
  const auto id = mesh.provider.running("web").at(0);
  const auto& variables = mesh.provider.specs.at(id).environment;
  const std::map<std::string, std::string> environment(variables.begin(), variables.end());
  EXPECT_EQ("default/" + environment.at("NAME"), id);
  EXPECT_EQ(environment.at("APP"), "web");
  EXPECT_FALSE(environment.at("HASH").empty());
  EXPECT_EQ(environment.at("ACCOUNT"), "web-account");
  EXPECT_EQ(environment.at("IP"), "127.0.0.1");
  EXPECT_FALSE(environment.contains("MAYBE")) << "not even as an empty one";
}

TEST(ConfigOfInstances, WhatNoEnvironmentCanHoldIsSaid) {
  EXPECT_TRUE(is_text("gr\xC3\xBC\xC3\x9F"));
  EXPECT_FALSE(is_text("\xFF"));
  EXPECT_FALSE(is_text(std::string_view("a\0b", 3)));
  Mesh mesh;
  mesh.apply(deployment("web", 1, "image", "        envFrom: [{secretRef: {name: db}}]\n"));
  mesh.apply(secret("a: /w=="));
  mesh.start_control_plane();
  ASSERT_TRUE(mesh.until([&] { return !waiting(mesh).is_null(); }));
  EXPECT_THAT(waiting(mesh)["message"].get<std::string>(),
              HasSubstr("the value of a in Secret default/db is no text"));
}

}  // namespace
}  // namespace weft::control::reconcile::testing
