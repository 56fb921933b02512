// What a user may write: one description of each struct's fields, from which decoding, defaults, messages
// about unknown fields, encoding and the list of fields all come. A visitor has
//   required(name, member[, rule])  must be there
//   field(name, member[, rule])     may be there; else the struct's own default holds
//   ignored({names})                Kubernetes has it, weft does not act on it: a warning, and it is kept as
//   it is kept({names})                   written by the server or read elsewhere: taken without a word
// and check() holds the rules that look at several fields. Names and rules: Kubernetes API reference v1.31.
#pragma once

#include <string_view>
#include <tuple>
#include <utility>

#include "model/findings.h"
#include "model/resource.h"

namespace weft::model {

/// The rule of a string field.
using TextRule = Fault (*)(std::string_view);
/// The rule of a whole number, both ends included.
struct Range {
  std::int64_t least = 0;
  std::int64_t most = 0;
};
constexpr Range port_range{1, 65535};
constexpr Range from_zero{0, INT32_MAX};
constexpr Range from_one{1, INT32_MAX};
/// The rule of a map of strings.
enum class MapRule : std::uint8_t {
  labels,
  annotations,
  /// Of a ConfigMap or Secret: keys that may be names of files, values of any text.
  data,
  /// The same with values in base64.
  base64
};
/// The longest list, and map of labels, that a resource may have where nothing else is said. In memory an
/// item is up to 200 times its text: without this a file within all limits of yaml/limits.h would take
/// gigabytes.
constexpr std::size_t max_items = 10'000;
/// How many items a list has, both ends included.
struct Items {
  std::size_t least = 0;
  std::size_t most = max_items;
};
constexpr Items not_empty{1};
/// Of one pod template: each is a folder that is made at every start.
constexpr Items few_volumes{0, 128};
/// Of a Service or a container. Each costs a listening socket for each of its callers, or a port of the
/// machine, of which a mesh has about 12,000.
constexpr std::size_t most_ports = 128;
/// Of one workload or Service. Each costs a listening socket of the caller for each port of its target, and
/// their names go along with each instance (label_bytes in provider/process/protocol.h).
constexpr Items few_dependencies{0, 128};
/// Of an ExternalService. Each is asked again and again whether it is there.
constexpr std::size_t most_addresses = 64;
/// Of one policy: Gateway API's limit.
constexpr std::size_t most_targets = 16;
/// Each is a process, with two ports of the machine if it has any.
constexpr Range replica_range{0, 10'000};
/// Each is a template in the store, and all of a Deployment's are looked through for each new one.
constexpr Range history_range{0, 1'000};
/// Of an image's name and of a folder: the longest path (PATH_MAX, limits.h).
constexpr std::size_t most_path_bytes = 4095;

/// The names of an enum's values: `static constexpr std::pair<std::string_view, E> values[]`.
template <class E>
struct EnumNames;
template <>
struct EnumNames<DependencyKind> {
  static constexpr std::pair<std::string_view, DependencyKind> values[] = {
      {"Service", DependencyKind::service},
      {"Deployment", DependencyKind::deployment},
      {"Job", DependencyKind::job}};
};
template <>
struct EnumNames<DependencyCondition> {
  static constexpr std::pair<std::string_view, DependencyCondition> values[] = {
      {"started", DependencyCondition::started},
      {"ready", DependencyCondition::ready},
      {"completed", DependencyCondition::completed}};
};
template <>
struct EnumNames<RestartPolicy> {
  static constexpr std::pair<std::string_view, RestartPolicy> values[] = {
      {"Always", RestartPolicy::always},
      {"OnFailure", RestartPolicy::on_failure},
      {"Never", RestartPolicy::never}};
};
template <>
struct EnumNames<StrategyType> {
  static constexpr std::pair<std::string_view, StrategyType> values[] = {
      {"RollingUpdate", StrategyType::rolling_update}, {"Recreate", StrategyType::recreate}};
};
template <>
struct EnumNames<CompletionMode> {
  static constexpr std::pair<std::string_view, CompletionMode> values[] = {
      {"NonIndexed", CompletionMode::non_indexed}};
};
template <>
struct EnumNames<LabelRequirement::Operator> {
  static constexpr std::pair<std::string_view, LabelRequirement::Operator> values[] = {
      {"In", LabelRequirement::Operator::in},
      {"NotIn", LabelRequirement::Operator::not_in},
      {"Exists", LabelRequirement::Operator::exists},
      {"DoesNotExist", LabelRequirement::Operator::does_not_exist}};
};
template <>
struct EnumNames<ProviderType> {
  static constexpr std::pair<std::string_view, ProviderType> values[] = {{"process", ProviderType::process}};
};
template <>
struct EnumNames<ServiceType> {
  static constexpr std::pair<std::string_view, ServiceType> values[] = {
      {"ClusterIP", ServiceType::cluster_ip},
      {"NodePort", ServiceType::node_port},
      {"LoadBalancer", ServiceType::load_balancer},
      {"ExternalName", ServiceType::external_name}};
};
template <>
struct EnumNames<Scope> {
  static constexpr std::pair<std::string_view, Scope> values[] = {
      {"declared", Scope::declared}, {"namespace", Scope::ns}, {"mesh", Scope::mesh}};
};
template <>
struct EnumNames<LoadBalancing> {
  static constexpr std::pair<std::string_view, LoadBalancing> values[] = {
      {"RoundRobin", LoadBalancing::round_robin}, {"LeastRequest", LoadBalancing::least_request}};
};

/// The rules of the ports of a Service or ExternalService.
void check_ports(Findings& findings, const std::vector<ServicePort>& ports);

/// The fields of a struct: `template <class V> static void fields(V& v)`, and, if it has rules of its own,
/// `static void check(Findings&, T&)`, which also fills in defaults that depend on other fields.
template <class T>
struct Schema;

template <>
struct Schema<ObjectMeta> {
  template <class V>
  static void fields(V& v) {
    v.field("name", &ObjectMeta::name);
    v.field("namespace", &ObjectMeta::ns);
    v.field("labels", &ObjectMeta::labels, MapRule::labels);
    v.field("annotations", &ObjectMeta::annotations, MapRule::annotations);
    v.field("uid", &ObjectMeta::uid);
    v.field("resourceVersion", &ObjectMeta::resource_version);
    v.field("generation", &ObjectMeta::generation);
    v.field("creationTimestamp", &ObjectMeta::creation_timestamp);
    v.field("deletionTimestamp", &ObjectMeta::deletion_timestamp);
    v.kept({"deletionGracePeriodSeconds", "managedFields", "ownerReferences", "selfLink"});
    v.ignored({"finalizers", "generateName"});
  }
};

template <>
struct Schema<LabelRequirement> {
  template <class V>
  static void fields(V& v) {
    v.required("key", &LabelRequirement::key, label_key_fault);
    v.required("operator", &LabelRequirement::op);
    v.field("values", &LabelRequirement::values);
  }
  static void check(Findings& findings, LabelRequirement& requirement);
};

template <>
struct Schema<LabelSelector> {
  template <class V>
  static void fields(V& v) {
    v.field("matchLabels", &LabelSelector::match_labels, MapRule::labels);
    v.field("matchExpressions", &LabelSelector::match_expressions);
  }
};

template <>
struct Schema<DependsOn> {
  template <class V>
  static void fields(V& v) {
    v.required("name", &DependsOn::name, dns1123_subdomain_fault);
    v.field("kind", &DependsOn::kind);
    v.field("namespace", &DependsOn::ns, dns1123_label_fault);
    v.field("condition", &DependsOn::condition);
    v.field("optional", &DependsOn::optional);
    v.field("timeout", &DependsOn::timeout);
  }
  static void check(Findings& findings, DependsOn& entry);
};

template <>
struct Schema<ContainerPort> {
  template <class V>
  static void fields(V& v) {
    v.field("name", &ContainerPort::name, port_name_fault);
    v.required("containerPort", &ContainerPort::container_port, port_range);
    v.kept({"protocol"});
    v.ignored({"hostIP", "hostPort"});
  }
  static void check(Findings& findings, ContainerPort& port);
};

template <>
struct Schema<EnvVar> {
  template <class V>
  static void fields(V& v) {
    v.required("name", &EnvVar::name, env_name_fault);
    v.field("value", &EnvVar::value);
    v.field("valueFrom", &EnvVar::value_from);
  }
  static void check(Findings& findings, EnvVar& variable);
};

template <>
struct Schema<HttpHeader> {
  template <class V>
  static void fields(V& v) {
    v.required("name", &HttpHeader::name);
    v.required("value", &HttpHeader::value);
  }
};

template <>
struct Schema<HttpGetAction> {
  template <class V>
  static void fields(V& v) {
    v.field("path", &HttpGetAction::path);
    v.required("port", &HttpGetAction::port);
    v.field("httpHeaders", &HttpGetAction::http_headers);
    v.ignored({"host", "scheme"});
  }
  static void check(Findings& findings, HttpGetAction& action);
};

template <>
struct Schema<TcpSocketAction> {
  template <class V>
  static void fields(V& v) {
    v.required("port", &TcpSocketAction::port);
    v.ignored({"host"});
  }
};

template <>
struct Schema<ExecAction> {
  template <class V>
  static void fields(V& v) {
    v.required("command", &ExecAction::command, not_empty);
  }
};

template <>
struct Schema<Probe> {
  template <class V>
  static void fields(V& v) {
    v.field("httpGet", &Probe::http_get);
    v.field("tcpSocket", &Probe::tcp_socket);
    v.field("exec", &Probe::exec);
    v.field("initialDelaySeconds", &Probe::initial_delay_seconds, from_zero);
    v.field("periodSeconds", &Probe::period_seconds, from_one);
    v.field("timeoutSeconds", &Probe::timeout_seconds, from_one);
    v.field("successThreshold", &Probe::success_threshold, from_one);
    v.field("failureThreshold", &Probe::failure_threshold, from_one);
    v.ignored({"grpc", "terminationGracePeriodSeconds"});
  }
  static void check(Findings& findings, Probe& probe);
};

template <>
struct Schema<SleepAction> {
  template <class V>
  static void fields(V& v) {
    v.required("seconds", &SleepAction::seconds, from_zero);
  }
};

template <>
struct Schema<LifecycleHandler> {
  template <class V>
  static void fields(V& v) {
    v.field("exec", &LifecycleHandler::exec);
    v.field("httpGet", &LifecycleHandler::http_get);
    v.field("sleep", &LifecycleHandler::sleep);
    v.ignored({"tcpSocket"});
  }
  static void check(Findings& findings, LifecycleHandler& handler);
};

template <>
struct Schema<Lifecycle> {
  template <class V>
  static void fields(V& v) {
    v.field("postStart", &Lifecycle::post_start);
    v.field("preStop", &Lifecycle::pre_stop);
    v.ignored({"stopSignal"});
  }
};

template <>
struct Schema<Container> {
  template <class V>
  static void fields(V& v) {
    v.required("name", &Container::name, dns1123_label_fault);
    v.required("image", &Container::image);
    v.field("command", &Container::command);
    v.field("args", &Container::args);
    v.field("workingDir", &Container::working_dir);
    v.field("ports", &Container::ports, Items{0, most_ports});
    v.field("env", &Container::env);
    v.field("envFrom", &Container::env_from);
    v.field("volumeMounts", &Container::volume_mounts, few_volumes);
    v.field("securityContext", &Container::security_context);
    v.field("readinessProbe", &Container::readiness_probe);
    v.field("livenessProbe", &Container::liveness_probe);
    v.field("startupProbe", &Container::startup_probe);
    v.field("lifecycle", &Container::lifecycle);
    v.ignored({"imagePullPolicy", "resizePolicy", "resources", "restartPolicy", "restartPolicyRules", "stdin",
               "stdinOnce", "terminationMessagePath", "terminationMessagePolicy", "tty", "volumeDevices"});
  }
  static void check(Findings& findings, Container& container);
};

template <>
struct Schema<PodSpec> {
  template <class V>
  static void fields(V& v) {
    v.required("containers", &PodSpec::containers, not_empty);
    v.field("restartPolicy", &PodSpec::restart_policy);
    v.field("terminationGracePeriodSeconds", &PodSpec::termination_grace_period_seconds, from_zero);
    v.field("serviceAccountName", &PodSpec::service_account_name, dns1123_subdomain_fault);
    v.field("volumes", &PodSpec::volumes, few_volumes);
    v.field("securityContext", &PodSpec::security_context);
    v.ignored({"activeDeadlineSeconds",
               "affinity",
               "automountServiceAccountToken",
               "dnsConfig",
               "dnsPolicy",
               "enableServiceLinks",
               "ephemeralContainers",
               "hostAliases",
               "hostIPC",
               "hostNetwork",
               "hostPID",
               "hostUsers",
               "hostname",
               "hostnameOverride",
               "imagePullSecrets",
               "initContainers",
               "nodeName",
               "nodeSelector",
               "os",
               "overhead",
               "preemptionPolicy",
               "priority",
               "priorityClassName",
               "readinessGates",
               "resourceClaims",
               "resources",
               "runtimeClassName",
               "schedulerName",
               "schedulingGates",
               "serviceAccount",
               "setHostnameAsFQDN",
               "shareProcessNamespace",
               "subdomain",
               "tolerations",
               "topologySpreadConstraints"});
  }
  static void check(Findings& findings, PodSpec& spec);
};

template <>
struct Schema<PodTemplateSpec> {
  template <class V>
  static void fields(V& v) {
    v.field("metadata", &PodTemplateSpec::metadata);
    v.required("spec", &PodTemplateSpec::spec);
  }
  static void check(Findings& findings, PodTemplateSpec& pod_template);
};

template <>
struct Schema<RollingUpdate> {
  template <class V>
  static void fields(V& v) {
    v.field("maxSurge", &RollingUpdate::max_surge);
    v.field("maxUnavailable", &RollingUpdate::max_unavailable);
  }
  static void check(Findings& findings, RollingUpdate& update);
};

template <>
struct Schema<DeploymentStrategy> {
  template <class V>
  static void fields(V& v) {
    v.field("type", &DeploymentStrategy::type);
    v.field("rollingUpdate", &DeploymentStrategy::rolling_update);
  }
  static void check(Findings& findings, DeploymentStrategy& strategy);
};

template <>
struct Schema<DeploymentSpec> {
  template <class V>
  static void fields(V& v) {
    v.field("replicas", &DeploymentSpec::replicas, replica_range);
    v.required("selector", &DeploymentSpec::selector);
    v.required("template", &DeploymentSpec::pod_template);
    v.field("dependsOn", &DeploymentSpec::depends_on, few_dependencies);
    v.field("strategy", &DeploymentSpec::strategy);
    v.field("minReadySeconds", &DeploymentSpec::min_ready_seconds, from_zero);
    v.field("progressDeadlineSeconds", &DeploymentSpec::progress_deadline_seconds, from_one);
    v.field("revisionHistoryLimit", &DeploymentSpec::revision_history_limit, history_range);
    v.ignored({"paused"});
  }
  static void check(Findings& findings, DeploymentSpec& spec);
};

template <>
struct Schema<JobSpec> {
  template <class V>
  static void fields(V& v) {
    v.required("template", &JobSpec::pod_template);
    v.field("backoffLimit", &JobSpec::backoff_limit, from_zero);
    v.field("dependsOn", &JobSpec::depends_on, few_dependencies);
    v.field("parallelism", &JobSpec::parallelism, replica_range);
    v.field("completions", &JobSpec::completions, replica_range);
    v.field("completionMode", &JobSpec::completion_mode);
    v.field("activeDeadlineSeconds", &JobSpec::active_deadline_seconds, from_one);
    v.field("ttlSecondsAfterFinished", &JobSpec::ttl_seconds_after_finished, from_zero);
    v.field("suspend", &JobSpec::suspend);
    v.ignored({"backoffLimitPerIndex", "managedBy", "manualSelector", "maxFailedIndexes", "podFailurePolicy",
               "podReplacementPolicy", "selector", "successPolicy"});
  }
  static void check(Findings& findings, JobSpec& spec);
};

template <>
struct Schema<ServicePort> {
  template <class V>
  static void fields(V& v) {
    v.field("name", &ServicePort::name, dns1123_label_fault);
    v.required("port", &ServicePort::port, port_range);
    v.field("targetPort", &ServicePort::target_port);
    v.field("appProtocol", &ServicePort::app_protocol);
    v.field("nodePort", &ServicePort::node_port, Range{0, port_range.most});
    v.kept({"protocol"});
  }
  static void check(Findings& findings, ServicePort& port);
};

template <>
struct Schema<ServiceSpec> {
  template <class V>
  static void fields(V& v) {
    v.field("type", &ServiceSpec::type);
    v.field("selector", &ServiceSpec::selector, MapRule::labels);
    v.required("ports", &ServiceSpec::ports, Items{1, most_ports});
    v.field("dependsOn", &ServiceSpec::depends_on, few_dependencies);
    v.ignored({"allocateLoadBalancerNodePorts", "clusterIP", "clusterIPs", "externalIPs", "externalName",
               "externalTrafficPolicy", "healthCheckNodePort", "internalTrafficPolicy", "ipFamilies",
               "ipFamilyPolicy", "loadBalancerClass", "loadBalancerIP", "loadBalancerSourceRanges",
               "publishNotReadyAddresses", "sessionAffinity", "sessionAffinityConfig",
               "trafficDistribution"});
  }
  static void check(Findings& findings, ServiceSpec& spec);
};

template <>
struct Schema<ProviderSpec> {
  template <class V>
  static void fields(V& v) {
    v.required("type", &ProviderSpec::type);
  }
};

template <>
struct Schema<MeshConfigSpec> {
  template <class V>
  static void fields(V& v) {
    v.field("scope", &MeshConfigSpec::scope);
    v.field("trustDomain", &MeshConfigSpec::trust_domain, dns1123_subdomain_fault);
    v.field("loadBalancing", &MeshConfigSpec::load_balancing);
    v.field("requestTimeout", &MeshConfigSpec::request_timeout);
    v.field("trustedHops", &MeshConfigSpec::trusted_hops, from_zero);
  }
};

template <>
struct Schema<PolicyTarget> {
  template <class V>
  static void fields(V& v) {
    v.field("group", &PolicyTarget::group);
    v.required("kind", &PolicyTarget::kind);
    v.required("name", &PolicyTarget::name, dns1035_label_fault);
  }
  static void check(Findings& findings, PolicyTarget& target);
};

template <>
struct Schema<PolicyTimeouts> {
  template <class V>
  static void fields(V& v) {
    v.field("request", &PolicyTimeouts::request);
    v.field("idle", &PolicyTimeouts::idle);
    v.field("connect", &PolicyTimeouts::connect);
  }
  static void check(Findings& findings, PolicyTimeouts& timeouts);
};

template <>
struct Schema<TrafficPolicySpec> {
  template <class V>
  static void fields(V& v) {
    v.required("targetRefs", &TrafficPolicySpec::target_refs, Items{1, most_targets});
    v.field("timeouts", &TrafficPolicySpec::timeouts);
    v.field("loadBalancing", &TrafficPolicySpec::load_balancing);
  }
  static void check(Findings& findings, TrafficPolicySpec& spec);
};

template <>
struct Schema<ExternalServiceSpec> {
  template <class V>
  static void fields(V& v) {
    v.field("host", &ExternalServiceSpec::host);
    v.field("addresses", &ExternalServiceSpec::addresses, Items{1, most_addresses});
    v.required("ports", &ExternalServiceSpec::ports, Items{1, most_ports});
  }
  static void check(Findings& findings, ExternalServiceSpec& spec);
};

/// Of metadata in a whole resource: the name by its kind's rule, and the namespace, "default" where a
/// namespaced kind says nothing.
void check_metadata(Findings& findings, ObjectMeta& metadata);

/// What the kinds with a spec have in common.
template <class T, bool needs_spec = true>
struct KindSchema {
  template <class V>
  static void fields(V& v) {
    v.kept({"apiVersion", "kind"});
    v.required("metadata", &T::metadata);
    if constexpr (needs_spec)
      v.required("spec", &T::spec);
    else
      v.field("spec", &T::spec);
    v.kept({"status"});
  }
  static void check(Findings& findings, T& resource) { check_metadata(findings, resource.metadata); }
};

template <>
struct Schema<Deployment> : KindSchema<Deployment> {};
template <>
struct Schema<Job> : KindSchema<Job> {};
template <>
struct Schema<Service> : KindSchema<Service> {
  static void check(Findings& findings, Service& service);
};
template <>
struct Schema<Provider> : KindSchema<Provider> {};
template <>
struct Schema<MeshConfig> : KindSchema<MeshConfig, false> {};
template <>
struct Schema<TrafficPolicy> : KindSchema<TrafficPolicy> {};
template <>
struct Schema<ExternalService> : KindSchema<ExternalService> {};

template <>
struct Schema<Namespace> {
  template <class V>
  static void fields(V& v) {
    v.kept({"apiVersion", "kind"});
    v.required("metadata", &Namespace::metadata);
    v.kept({"spec", "status"});
  }
  static void check(Findings& findings, Namespace& resource) { check_metadata(findings, resource.metadata); }
};

}  // namespace weft::model
