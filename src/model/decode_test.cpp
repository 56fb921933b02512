#include "model/decode.h"
#include "model/schema.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/load.h"
#include "model/testing_mend_test.h"
#include "yaml/limits.h"

namespace weft::model {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view deployment_text = R"(apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: example
)";
constexpr std::string_view service_text = R"(apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports:
  - port: 80
)";
constexpr std::string_view job_text = R"(apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: migrate
        image: example
)";

std::string with(std::string_view text, std::string_view from, std::string_view to) {
  std::string result(text);
  std::size_t at = result.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return result.replace(at, from.size(), to);
}

template <class T>
T read(const std::string& text) {
  Loaded loaded = load(text, "f.yaml");
  EXPECT_FALSE(base::has_errors(loaded.diagnostics)) << base::render(loaded.diagnostics);
  return loaded.objects.size() == 1 ? std::get<T>(loaded.objects.front().resource) : T{};
}

TEST(Decode, DefaultsAreKubernetes) {
  auto deployment = read<Deployment>(std::string(deployment_text));
  EXPECT_EQ(deployment.metadata.ns, "default");
  EXPECT_EQ(deployment.spec.replicas, 1);
  EXPECT_EQ(deployment.spec.pod_template.spec.termination_grace_period_seconds, 30);
  EXPECT_EQ(deployment.spec.pod_template.spec.restart_policy, RestartPolicy::always);
  EXPECT_EQ(read<Job>(std::string(job_text)).spec.backoff_limit, 6);
  auto service = read<Service>(std::string(service_text));
  EXPECT_EQ(service.spec.ports[0].target_port.to_string(), "80")
      << "targetPort is port where the text says nothing";
  EXPECT_EQ(service.spec.ports[0].traffic(), AppProtocol::automatic);
  auto probed = read<Deployment>(with(deployment_text, "image: example",
                                      "image: example\n        readinessProbe: {httpGet: {port: 80}}"));
  const Probe& probe = *probed.spec.pod_template.spec.containers[0].readiness_probe;
  EXPECT_EQ(probe.period_seconds, 10);
  EXPECT_EQ(probe.timeout_seconds, 1);
  EXPECT_EQ(probe.success_threshold, 1);
  EXPECT_EQ(probe.failure_threshold, 3);
  EXPECT_EQ(probe.http_get->path, "/");
  auto mesh =
      read<MeshConfig>("apiVersion: weft.dev/v1alpha1\nkind: MeshConfig\nmetadata: {name: default}\n");
  EXPECT_EQ(mesh.spec, MeshConfigSpec{});
}

TEST(Decode, ReadsAllOfAContainer) {
  auto deployment = read<Deployment>(with(deployment_text, "image: example", R"(image: example
        command: [run, "1"]
        args: [--fast]
        workingDir: /tmp
        env:
        - {name: A, value: "1"}
        - name: EMPTY
        ports:
        - {name: http, containerPort: 8080, protocol: TCP}
        - containerPort: 9090
        livenessProbe: {tcpSocket: {port: http}, initialDelaySeconds: 2}
        startupProbe: {exec: {command: [check]}}
        lifecycle:
          postStart: {httpGet: {path: hello, port: http}}
          preStop: {sleep: {seconds: 30}}
        readinessProbe:
          httpGet: {path: ready, port: 8080, httpHeaders: [{name: X, value: "y"}]})"));
  const Container& container = deployment.spec.pod_template.spec.containers[0];
  EXPECT_EQ(container.command, (std::vector<std::string>{"run", "1"}));
  EXPECT_EQ(container.args, std::vector<std::string>{"--fast"});
  EXPECT_EQ(container.working_dir, "/tmp");
  EXPECT_EQ(container.env, (std::vector<EnvVar>{{"A", "1"}, {"EMPTY", ""}}));
  EXPECT_EQ(container.ports, (std::vector<ContainerPort>{{"http", 8080}, {"", 9090}}));
  EXPECT_EQ(*container.liveness_probe->tcp_socket->port.name(), "http");
  EXPECT_EQ(container.liveness_probe->initial_delay_seconds, 2);
  EXPECT_EQ(container.startup_probe->exec->command, std::vector<std::string>{"check"});
  EXPECT_EQ(container.lifecycle->post_start->http_get->path, "/hello");
  EXPECT_EQ(container.lifecycle->pre_stop->sleep->seconds, 30);
  EXPECT_EQ(container.readiness_probe->http_get->path, "/ready");
  EXPECT_EQ(container.readiness_probe->http_get->http_headers, (std::vector<HttpHeader>{{"X", "y"}}));
}

TEST(Decode, DependsOnDefaultsAreByKind) {
  auto service = read<Service>(std::string(service_text) + R"(  dependsOn:
  - name: a
  - {name: b, kind: Job}
  - {name: c, kind: Deployment, condition: started, namespace: other, optional: true, timeout: 1m30s}
  - {name: d, kind: Job, condition: null}
)");
  const auto& entries = service.spec.depends_on;
  ASSERT_EQ(entries.size(), 4U);
  EXPECT_EQ(entries[0], (DependsOn{.name = "a"}));
  EXPECT_EQ(entries[1].condition, DependencyCondition::completed);
  EXPECT_EQ(entries[2], (DependsOn{.name = "c",
                                   .kind = DependencyKind::deployment,
                                   .ns = "other",
                                   .condition = DependencyCondition::started,
                                   .optional = true,
                                   .timeout = std::chrono::seconds(90)}));
  EXPECT_EQ(entries[3].condition, DependencyCondition::completed);
}

struct Wrong {
  std::string name;
  std::string text;
  std::string code;
  std::string field;
  std::uint32_t line;
  std::string says;  // a part of the message or the mend
};

class WrongResource : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongResource, IsReported) {
  const Wrong& wrong = GetParam();
  Loaded loaded = load(wrong.text, "f.yaml");
  std::vector<base::Diagnostic> considered(loaded.diagnostics.begin(), loaded.diagnostics.end());
  if (base::has_errors(loaded.diagnostics))
    std::erase_if(considered,
                  [](const base::Diagnostic& one) { return one.severity != base::Severity::error; });
  ASSERT_EQ(considered.size(), 1U) << base::render(loaded.diagnostics);
  const base::Diagnostic& found = considered.front();
  EXPECT_EQ(found.code, "model/" + wrong.code) << base::render(found);
  EXPECT_EQ(found.field, wrong.field);
  EXPECT_EQ(found.position.line, wrong.line) << base::render(found);
  EXPECT_THAT(found.message + " " + found.mend, HasSubstr(wrong.says));
  EXPECT_FALSE(found.mend.empty());
  // What is proposed as a change leaves nothing of it.
  if (found.replacement) EXPECT_THAT(mend(wrong.text).rendered, Not(HasSubstr(found.message)));
  bool is_warning = found.severity == base::Severity::warning;
  EXPECT_EQ(loaded.objects.size(), is_warning ? 1U : 0U) << "only a resource without errors is there";
}

std::string service_with(std::string_view from, std::string_view to) { return with(service_text, from, to); }
std::string deployment_with(std::string_view from, std::string_view to) {
  return with(deployment_text, from, to);
}
std::string container_with(std::string_view more) {
  return with(deployment_text, "image: example", "image: example\n        " + std::string(more));
}
std::string depends_on(std::string_view entry) {
  return std::string(service_text) + "  dependsOn: [" + std::string(entry) + "]\n";
}

const Wrong wrong_resources[] = {
    {"Empty", "# nothing\n", "empty", "", 0, "no resource"},
    {"NotAMap", "- a\n", "not-a-resource", "", 1, "a list"},
    {"NoKind", "apiVersion: v1\n", "missing-field", "kind", 1, "kind"},
    {"NoApiVersion", "kind: Service\n", "missing-field", "apiVersion", 1, "apiVersion"},
    {"KindIsNoString", "apiVersion: v1\nkind: 1\n", "wrong-type", "kind", 2, "string"},
    {"KindMisspelt", deployment_with("kind: Deployment", "kind: Deploymnt"), "unknown-kind", "kind", 2,
     "`Deployment`"},
    {"KindInLowerCase", service_with("kind: Service", "kind: service"), "unknown-kind", "kind", 2,
     "`Service`"},
    {"KindOfKubernetes", "apiVersion: apps/v1\nkind: DaemonSet\n", "unknown-kind", "kind", 2,
     "Namespace, MeshConfig, Provider, TrafficPolicy, ConfigMap, Secret, ExternalService, Service, "
     "HTTPRoute, Deployment, "
     "Job"},
    {"KindThatWeftMakes", "apiVersion: v1\nkind: Pod\n", "read-only-kind", "kind", 2, "Deployment"},
    {"OldApiVersion", deployment_with("apps/v1", "extensions/v1beta1"), "wrong-api-version", "apiVersion", 1,
     "apps/v1"},
    {"NoMetadata", "apiVersion: v1\nkind: Namespace\n", "missing-field", "metadata", 1, "metadata"},
    {"NoName", service_with("name: web", "labels: {}"), "missing-field", "metadata.name", 3, "name"},
    {"NoSpec", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n", "missing-field", "spec", 1, "spec"},
    {"NullIsNothing", service_with("- port: 80", "- port: null"), "missing-field", "spec.ports[0].port", 8,
     "port"},
    {"FieldMisspelt", deployment_with("  selector:\n", "  replicsa: 3\n  selector:\n"), "unknown-field",
     "spec.replicsa", 6, "`replicas`"},
    {"FieldInOtherCase", service_with("ports:\n  - port", "ports:\n  - targetport: 80\n    port"),
     "unknown-field", "spec.ports[0].targetport", 8, "`targetPort`"},
    {"FieldOfAnotherPlace", deployment_with("  selector:\n", "  containers: []\n  selector:\n"),
     "unknown-field", "spec.containers", 6, "spec.template.spec.containers"},
    {"FieldOfNothing", deployment_with("  selector:\n", "  zzz: []\n  selector:\n"), "unknown-field",
     "spec.zzz", 6, "replicas, selector"},
    {"FieldOfTheTop", service_with("spec:", "specs: {}\nspec:"), "unknown-field", "specs", 5, "`spec`"},
    {"StringForNumber", deployment_with("  selector:\n", "  replicas: \"3\"\n  selector:\n"), "wrong-type",
     "spec.replicas", 6, "alone: 3"},
    {"NumberForString", container_with("env: [{name: A, value: 1}]"), "wrong-type",
     "spec.template.spec.containers[0].env[0].value", 15, "\"1\""},
    {"BoolForString", container_with("env: [{name: A, value: true}]"), "wrong-type",
     "spec.template.spec.containers[0].env[0].value", 15, "\"true\""},
    {"MapForList", service_with("- port: 80", "  port: 80"), "wrong-type", "spec.ports", 8, "dash"},
    {"ListForMap", service_with("selector: {app: web}", "selector: [app]"), "wrong-type", "spec.selector", 6,
     "names with their values"},
    {"StringForList", container_with("command: run"), "wrong-type",
     "spec.template.spec.containers[0].command", 15, "[\"run\"]"},
    {"YesForBool", depends_on("{name: a, optional: yes}"), "wrong-type", "spec.dependsOn[0].optional", 9,
     "true or false"},
    {"LabelIsNumber", service_with("name: web", "name: web\n  labels: {a: 1}"), "wrong-type",
     "metadata.labels[a]", 5, "\"1\""},
    {"NameInUpperCase", service_with("name: web", "name: Web"), "invalid-value", "metadata.name", 4,
     "DNS-1035"},
    {"NameBeginsWithDigit", service_with("name: web", "name: 1web"), "invalid-value", "metadata.name", 4,
     "DNS-1035"},
    {"NameTooLong", service_with("name: web", "name: " + std::string(64, 'a')), "invalid-value",
     "metadata.name", 4, "63"},
    {"WorkloadNameTooLong", deployment_with("name: web", "name: " + std::string(64, 'a')), "invalid-value",
     "metadata.name", 4, "63"},
    {"NamespaceWithDot", service_with("name: web", "name: web\n  namespace: a.b"), "invalid-value",
     "metadata.namespace", 5, "DNS-1123"},
    {"ProviderInNamespace",
     "apiVersion: weft.dev/v1alpha1\nkind: Provider\nmetadata: {name: a, namespace: b}\nspec: {type: "
     "process}\n",
     "invalid-value", "metadata.namespace", 3, "no namespace"},
    {"ProviderType",
     "apiVersion: weft.dev/v1alpha1\nkind: Provider\nmetadata: {name: a}\nspec: {type: proces}\n",
     "invalid-value", "spec.type", 4, "`process`"},
    {"MeshConfigName", "apiVersion: weft.dev/v1alpha1\nkind: MeshConfig\nmetadata: {name: a}\n",
     "invalid-value", "metadata.name", 3, "default"},
    {"MeshConfigTimeout",
     "apiVersion: weft.dev/v1alpha1\nkind: MeshConfig\nmetadata: {name: default}\nspec: {requestTimeout: "
     "15}\n",
     "invalid-value", "spec.requestTimeout", 4, "15s"},
    {"MeshConfigTrustedHops",
     "apiVersion: weft.dev/v1alpha1\nkind: MeshConfig\nmetadata: {name: default}\nspec: {trustedHops: -1}\n",
     "invalid-value", "spec.trustedHops", 4, "0"},
    {"LabelKey", service_with("name: web", "name: web\n  labels: {\"a b\": c}"), "invalid-value",
     "metadata.labels[a b]", 5, "letters"},
    {"LabelValue", service_with("name: web", "name: web\n  labels: {a: \"b c\"}"), "invalid-value",
     "metadata.labels[a]", 5, "letters"},
    {"AnnotationKey", service_with("name: web", "name: web\n  annotations: {\"a/b/c\": c}"), "invalid-value",
     "metadata.annotations[a/b/c]", 5, "prefix/"},
    {"PortTooBig", service_with("port: 80", "port: 65536"), "invalid-value", "spec.ports[0].port", 8,
     "1 to 65535"},
    {"PortZero", container_with("ports: [{containerPort: 0}]"), "invalid-value",
     "spec.template.spec.containers[0].ports[0].containerPort", 15, "1 to 65535"},
    {"PortNameTooLong", container_with("ports: [{containerPort: 1, name: abcdefghijklmnop}]"),
     "invalid-value", "spec.template.spec.containers[0].ports[0].name", 15, "15 characters"},
    {"TargetPortIsQuotedNumber", service_with("port: 80", "port: 80\n    targetPort: \"8080\""), "wrong-type",
     "spec.ports[0].targetPort", 9, "alone: 8080"},
    {"TargetPortName", service_with("port: 80", "port: 80\n    targetPort: a_b"), "invalid-value",
     "spec.ports[0].targetPort", 9, "port's name"},
    {"Udp", service_with("port: 80", "port: 80\n    protocol: UDP"), "invalid-value",
     "spec.ports[0].protocol", 9, "TCP"},
    {"NoPorts", service_with("ports:\n  - port: 80", "ports: []"), "invalid-value", "spec.ports", 7, "empty"},
    {"NamelessPorts", service_with("port: 80", "port: 80\n    name: a\n  - port: 81"), "missing-field",
     "spec.ports[1].name", 10, "name"},
    {"SamePortName", service_with("port: 80", "{port: 80, name: a}\n  - {port: 81, name: a}"), "duplicate",
     "spec.ports[1].name", 9, "ports[0]"},
    {"SamePortNumber", service_with("port: 80", "{port: 80, name: a}\n  - {port: 80, name: b}"), "duplicate",
     "spec.ports[1].port", 9, "ports[0]"},
    {"SameEnv", container_with("env: [{name: A}, {name: A}]"), "duplicate",
     "spec.template.spec.containers[0].env[1].name", 15, "env[0]"},
    {"SameContainerPort", container_with("ports: [{containerPort: 1}, {containerPort: 1}]"), "duplicate",
     "spec.template.spec.containers[0].ports[1].containerPort", 15, "ports[0]"},
    {"EnvName", container_with("env: [{name: A=B}]"), "invalid-value",
     "spec.template.spec.containers[0].env[0].name", 15, "printable"},
    {"NoImage", deployment_with("        image: example\n", ""), "missing-field",
     "spec.template.spec.containers[0].image", 13, "image"},
    {"EmptyImage", deployment_with("image: example", "image: \"\""), "invalid-value",
     "spec.template.spec.containers[0].image", 14, "empty"},
    {"SelectorDoesNotMatch", deployment_with("labels: {app: web}", "labels: {app: wep}"), "selector-mismatch",
     "spec.template.metadata.labels", 10, "app=web"},
    {"SelectorIsEmpty", deployment_with("matchLabels: {app: web}", "matchLabels: {}"), "invalid-value",
     "spec.selector", 6, "empty"},
    {"OperatorWithoutValues",
     deployment_with("matchLabels: {app: web}", "matchExpressions: [{key: app, operator: In}]"),
     "invalid-value", "spec.selector.matchExpressions[0].values", 7, "values"},
    {"OperatorMisspelt",
     deployment_with("matchLabels: {app: web}", "matchExpressions: [{key: app, operator: Exist}]"),
     "invalid-value", "spec.selector.matchExpressions[0].operator", 7, "`Exists`"},
    {"RestartPolicyOfDeployment",
     deployment_with("      containers:", "      restartPolicy: Never\n      containers:"), "invalid-value",
     "spec.template.spec.restartPolicy", 12, "Always"},
    {"RestartPolicyOfJob", with(job_text, "      restartPolicy: Never\n", ""), "invalid-value",
     "spec.template.spec.restartPolicy", 7, "restartPolicy: Never"},
    {"NegativeBackoffLimit", with(job_text, "spec:\n", "spec:\n  backoffLimit: -1\n"), "invalid-value",
     "spec.backoffLimit", 6, "at least 0"},
    {"HugeReplicas", deployment_with("  selector:\n", "  replicas: 99999999999\n  selector:\n"),
     "invalid-value", "spec.replicas", 6, "from 0 to 10000"},
    {"ProbeWithTwoActions", container_with("livenessProbe: {exec: {command: [a]}, tcpSocket: {port: 1}}"),
     "invalid-value", "spec.template.spec.containers[0].livenessProbe", 15, "more than one"},
    {"ProbeWithoutAction", container_with("livenessProbe: {periodSeconds: 1}"), "missing-field",
     "spec.template.spec.containers[0].livenessProbe", 15, "httpGet"},
    {"ProbePeriod", container_with("livenessProbe: {tcpSocket: {port: 1}, periodSeconds: 0}"),
     "invalid-value", "spec.template.spec.containers[0].livenessProbe.periodSeconds", 15, "at least 1"},
    {"ProbeSuccessThreshold", container_with("livenessProbe: {tcpSocket: {port: 1}, successThreshold: 2}"),
     "invalid-value", "spec.template.spec.containers[0].livenessProbe.successThreshold", 15, "1"},
    {"ProbePortName",
     container_with(
         "ports: [{containerPort: 1, name: http}]\n        readinessProbe: {httpGet: {port: htp}}"),
     "unknown-port", "spec.template.spec.containers[0].readinessProbe.httpGet.port", 16, "`http`"},
    {"Quantity", container_with("resources: {limits: {memory: 64Mx}}"), "invalid-value",
     "spec.template.spec.containers[0].resources.limits[memory]", 15, "128Mi"},
    {"DependsOnKind", depends_on("{name: a, kind: Pod}"), "invalid-value", "spec.dependsOn[0].kind", 9,
     "Service, Deployment, Job"},
    {"DependsOnName", depends_on("{name: A}"), "invalid-value", "spec.dependsOn[0].name", 9, "DNS-1123"},
    {"HandlerWithTwoActions",
     container_with("lifecycle: {preStop: {exec: {command: [a]}, sleep: {seconds: 1}}}"), "invalid-value",
     "spec.template.spec.containers[0].lifecycle.preStop", 15, "more than one"},
    {"HandlerWithoutAction", container_with("lifecycle: {preStop: {}}"), "missing-field",
     "spec.template.spec.containers[0].lifecycle.preStop", 15, "sleep"},
    {"HandlerPortName",
     container_with(
         "ports: [{containerPort: 1, name: http}]\n        lifecycle: {preStop: {httpGet: {port: htp}}}"),
     "unknown-port", "spec.template.spec.containers[0].lifecycle.preStop.httpGet.port", 16, "`http`"},
    {"SleepBeyondTheGrace", container_with("lifecycle: {preStop: {sleep: {seconds: 31}}}"), "invalid-value",
     "spec.template.spec.containers[0].lifecycle.preStop.sleep.seconds", 15, "terminationGracePeriodSeconds"},
    {"IgnoredHandler", container_with("lifecycle: {preStop: {tcpSocket: {port: 1}}}"), "ignored-field",
     "spec.template.spec.containers[0].lifecycle.preStop.tcpSocket", 15, "tcpSocket"},
    {"DependsOnTimeout", depends_on("{name: a, timeout: 10}"), "invalid-value", "spec.dependsOn[0].timeout",
     9, "10s"},
    {"DependsOnZeroTimeout", depends_on("{name: a, timeout: 0s}"), "invalid-value",
     "spec.dependsOn[0].timeout", 9, "more than 0"},
    {"DependsOnCondition", depends_on("{name: a, condition: redy}"), "invalid-value",
     "spec.dependsOn[0].condition", 9, "`ready`"},
    {"ServiceNeverCompletes", depends_on("{name: a, condition: completed}"), "impossible-condition",
     "spec.dependsOn[0].condition", 9, "kind: Job"},
    {"JobIsNeverReady", depends_on("{name: a, kind: Job, condition: ready}"), "impossible-condition",
     "spec.dependsOn[0].condition", 9, "completed"},
    {"DependsOnTwice", depends_on("{name: a}, {name: b}, {name: a}"), "duplicate", "spec.dependsOn[2].name",
     9, "dependsOn[0]"},
    {"IgnoredInContainer", container_with("resizePolicy: [{anything: 1}]"), "ignored-field",
     "spec.template.spec.containers[0].resizePolicy", 15, "resizePolicy"},
    {"IgnoredInPod",
     deployment_with("      containers:", "      tolerations: [{name: a}]\n      containers:"),
     "ignored-field", "spec.template.spec.tolerations", 12, "tolerations"},
    {"IgnoredVolume",
     deployment_with("      containers:", "      volumes: [{name: a, nfs: {x: y}}]\n      containers:"),
     "ignored-field", "spec.template.spec.volumes[0].nfs", 12, "nfs"},
    {"IgnoredInDeployment", deployment_with("  selector:\n", "  paused: true\n  selector:\n"),
     "ignored-field", "spec.paused", 6, "paused"},
    {"IgnoredInService", service_with("spec:", "spec:\n  clusterIP: None"), "ignored-field", "spec.clusterIP",
     6, "clusterIP"},
    {"IgnoredInAnotherUser", container_with("securityContext: {privileged: true}"), "ignored-field",
     "spec.template.spec.containers[0].securityContext.privileged", 15, "privileged"},
    {"IgnoredProbeAction", container_with("livenessProbe: {grpc: {port: 1}}"), "ignored-field",
     "spec.template.spec.containers[0].livenessProbe.grpc", 15, "grpc"},
    {"SecondContainer", std::string(deployment_text) + "      - {name: log, image: x}\n", "extra-container",
     "spec.template.spec.containers[1].name", 15, "`log`"},
    {"Compose", "services:\n  web: {image: nginx}\n  db: {image: postgres}\n", "compose-file", "services", 1,
     "the services web, db"},
    {"OtherProtocol", service_with("port: 80", "{port: 80, appProtocol: https}"), "opaque-protocol",
     "spec.ports[0].appProtocol", 8, "TCP"},
};
INSTANTIATE_TEST_SUITE_P(Model, WrongResource, ::testing::ValuesIn(wrong_resources),
                         [](const auto& one) { return one.param.name; });

TEST(Decode, ServerWrittenFieldsAreTaken) {
  Loaded loaded = load(with(service_text, "name: web", R"(name: web
  uid: u
  resourceVersion: "7"
  generation: 3
  creationTimestamp: "2026-01-31T08:00:00Z"
  managedFields: [{a: b}]
  ownerReferences: []
  selfLink: x)") + "status: {loadBalancer: {}}\n",
                       "f.yaml");
  EXPECT_TRUE(loaded.diagnostics.empty()) << base::render(loaded.diagnostics);
  EXPECT_EQ(metadata_of(loaded.objects[0].resource).generation, 3);
  EXPECT_EQ(loaded.objects[0].json["status"].dump(), "{\"loadBalancer\":{}}") << "kept as it is";
}

TEST(Decode, EveryFaultIsReportedAtOnce) {
  Loaded loaded = load(R"(apiVersion: v1
kind: Service
metadata: {name: Web}
spec:
  ports: [{port: 0, nmae: a}]
  x: 1
)",
                       "f.yaml");
  EXPECT_EQ(loaded.diagnostics.size(), 3U) << base::render(loaded.diagnostics);
}

/// `count` items, each made of `text` with its number in place of #.
std::string items(int count, std::string_view text) {
  std::string all;
  for (int i = 0; i < count; ++i) {
    std::string item(text);
    for (auto at = item.find('#'); at != std::string::npos; at = item.find('#', at))
      item.replace(at, 1, std::to_string(i + 1));
    all += item;
  }
  return all;
}

/// Variables of which each is twice the one before it, from A.
std::string doubling() {
  std::string all;
  for (char c = 'B'; c <= 'I'; ++c) {
    const char before = static_cast<char>(c - 1);
    all += fmt::format("        - {{name: {0}, value: \"$({1})$({1})\"}}\n", c, before);
  }
  return all;
}

TEST(Decode, WhatMultipliesIsLimitedInBytes) {
  const auto container = [](const std::string& fields) {
    return with(deployment_text, "image: example", "image: example\n" + fields);
  };
  const auto value = [](std::size_t bytes) { return std::string(bytes, 'x'); };
  const auto service_ports = [](int count) {
    return with(service_text, "  - port: 80\n", items(count, "  - {name: p#, port: #}\n"));
  };
  struct Case {
    const char* name;
    std::string text;
    bool is_valid;
  };
  const Case cases[] = {
      {"values that use each other",
       container("        env:\n        - {name: A0, value: " + value(1000) + "}\n" +
                 items(8, "        - {name: A#, value: \"$(A0)$(A0)\"}\n")),
       true},
      {"a value that doubles eight times",
       container("        env:\n        - {name: A, value: " + value(1000) + "}\n" + doubling()), false},
      {"the longest variable", container("        env: [{name: A, value: " + value(131'069) + "}]\n"), true},
      {"a longer one", container("        env: [{name: A, value: " + value(131'070) + "}]\n"), false},
      {"the longest argument", container("        args: [" + value(131'071) + "]\n"), true},
      {"a longer one", container("        args: [" + value(131'072) + "]\n"), false},
      {"arguments that are too large together",
       container("        env: [{name: A, value: " + value(50'000) + "}]\n        args: [" +
                 items(5, "$(A), ") + "]\n"),
       false},
      {"the same, escaped",
       container("        env: [{name: A, value: " + value(50'000) + "}]\n        args: [" +
                 items(5, "$$(A), ") + "]\n"),
       true},
      {"names that are known at the start", container("        args: [" + items(120, "$(DB_URL), ") + "]\n"),
       true},
      {"too many of these", container("        args: [" + items(300, "$(DB_URL), ") + "]\n"), false},
      {"a script with many substitutions",
       container("        args: [\"" + items(1000, "echo $(date) ") + "\"]\n"), true},
      {"a probe's command", container("        livenessProbe: {exec: {command: [" + value(131'072) + "]}}\n"),
       false},
      {"a handler's command",
       container("        lifecycle: {preStop: {exec: {command: [" + value(131'072) + "]}}}\n"), false},
      {"a NUL", container("        args: [\"a\\0b\"]\n"), false},
      {"an image's name", with(deployment_text, "image: example", "image: " + value(4096)), false},
      {"a folder", container("        workingDir: " + value(4096) + "\n"), false},
      {"the most ports of a Service", service_ports(128), true},
      {"too many", service_ports(129), false},
      {"far too many", service_ports(30'000), false},
      {"the most ports of a container",
       container("        ports:\n" + items(128, "        - {containerPort: #}\n")), true},
      {"too many", container("        ports:\n" + items(129, "        - {containerPort: #}\n")), false},
      {"the most dependencies", std::string(service_text) + "  dependsOn:\n" + items(128, "  - name: s#\n"),
       true},
      {"too many", std::string(service_text) + "  dependsOn:\n" + items(129, "  - name: s#\n"), false},
      {"replicas without end", with(deployment_text, "  selector:", "  replicas: 2000000000\n  selector:"),
       false},
  };
  for (const auto& c : cases) {
    const auto loaded = load(c.text, "f.yaml");
    EXPECT_EQ(!base::has_errors(loaded.diagnostics), c.is_valid)
        << c.name << ": " << base::render(loaded.diagnostics).substr(0, 500);
    EXPECT_LE(loaded.diagnostics.size(), 1U) << c.name;
  }
}

TEST(Decode, MapsHaveALimit) {
  for (const std::size_t count : {max_items, max_items + 1}) {
    const auto loaded =
        load(with(service_text, "metadata:\n",
                  "metadata:\n  annotations:\n" + items(static_cast<int>(count), "    a#: x\n")),
             "f.yaml");
    EXPECT_EQ(loaded.diagnostics.size(), count - max_items) << base::render(loaded.diagnostics);
  }
}

TEST(Decode, JsonWithoutPositions) {
  base::Json document = base::Json::parse(
      R"({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80, "x": 1}]}})");
  Decoded decoded = decode(document);
  ASSERT_EQ(decoded.diagnostics.size(), 1U);
  EXPECT_EQ(decoded.diagnostics[0].field, "spec.ports[0].x");
  EXPECT_EQ(decoded.diagnostics[0].position, base::Position{});
  document["spec"]["ports"][0].erase("x");
  EXPECT_TRUE(decode_as<Service>(document));
  EXPECT_FALSE(decode_as<Job>(document));
}

TEST(Encode, ReadsBackAsTheSame) {
  for (std::string_view text : {deployment_text, service_text, job_text}) {
    Resource resource = load(std::string(text), "").objects.at(0).resource;
    Decoded back = decode(encode(resource));
    ASSERT_TRUE(back.resource) << base::render(back.diagnostics);
    EXPECT_EQ(*back.resource, resource);
  }
}

TEST(Encode, LeavesOutDefaults) {
  Deployment deployment{.metadata = {.name = "web"}, .spec = {}};
  deployment.spec.selector.match_labels = {{"app", "web"}};
  deployment.spec.pod_template.metadata.labels = {{"app", "web"}};
  deployment.spec.pod_template.spec.containers = {{.name = "web", .image = "example"}};
  deployment.spec.depends_on = {{.name = "db",
                                 .kind = DependencyKind::job,
                                 .condition = DependencyCondition::completed,
                                 .timeout = std::chrono::seconds(5)}};
  EXPECT_EQ(encode(deployment),
            base::Json::parse(
                R"({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
    "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "example"}]}},
    "dependsOn": [{"name": "db", "kind": "Job", "condition": "completed", "timeout": "5s"}]}})"));
}

TEST(Fields, ComeFromTheSchema) {
  auto has = [](const std::vector<std::string>& names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
  };
  std::vector<std::string> names = field_names("Deployment");
  EXPECT_TRUE(has(names, "spec.template.spec.containers[].readinessProbe.httpGet.port"));
  EXPECT_TRUE(has(names, "spec.strategy.rollingUpdate.maxSurge"));
  EXPECT_TRUE(has(names, "spec.paused"));
  EXPECT_FALSE(has(field_names("Deployment", true), "spec.paused"));
  EXPECT_TRUE(field_names("Pod").empty());
}

}  // namespace
}  // namespace weft::model
