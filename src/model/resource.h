// The resource kinds as plain structs, with Kubernetes' defaults. What a user may write is in schema.h; the
// JSON document stays the source of truth, these are for reading it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "model/labels.h"
#include "model/route.h"
#include "model/values.h"

namespace weft::model {

/// Annotations and labels that weft reads or writes.
namespace annotation {
/// On a Deployment that is not started (spec.replicas 0): how many replicas `start` gives it back.
constexpr std::string_view replicas = "weft.dev/replicas";
/// The file and line that the CLI applied it from, "shop.yaml:12".
constexpr std::string_view source = "weft.dev/source";
/// On a Deployment or Job: the name of the Provider that runs it; "process" if absent.
constexpr std::string_view provider = "weft.dev/provider";
/// On a Service: the ports of 127.0.0.1 at which its ports are called, "8080" for the first, or
/// "http=8080,admin=8081" by name or number.
constexpr std::string_view local_port = "weft.dev/local-port";
constexpr std::string_view last_applied = "kubectl.kubernetes.io/last-applied-configuration";
}  // namespace annotation
namespace label {
/// On a Pod: the name and the kind of its workload.
constexpr std::string_view workload = "weft.dev/workload";
constexpr std::string_view kind = "weft.dev/kind";
constexpr std::string_view template_hash = "pod-template-hash";
}  // namespace label

struct ObjectMeta {
  std::string name;
  /// "default" where a namespaced object says nothing; empty for kinds without namespace and for pod
  /// templates.
  std::string ns;
  Labels labels;
  Labels annotations;
  std::string uid;
  std::string resource_version;
  std::int64_t generation = 0;
  /// RFC 3339, empty if unset.
  std::string creation_timestamp;
  std::string deletion_timestamp;

  friend bool operator==(const ObjectMeta&, const ObjectMeta&) = default;
};

enum class DependencyKind : std::uint8_t { service, deployment, job };
/// started: its process runs. ready: an instance is ready. completed: the Job has succeeded.
enum class DependencyCondition : std::uint8_t { started, ready, completed };

/// An entry of spec.dependsOn.
struct DependsOn {
  std::string name;
  DependencyKind kind = DependencyKind::service;
  /// Empty: the declaring resource's own.
  std::string ns;
  /// Where the text says nothing: completed for a Job, else ready. decode() fills it in.
  DependencyCondition condition = DependencyCondition::ready;
  bool optional = false;
  /// After it the condition DependenciesReady turns False; waiting goes on. Nothing: no limit.
  std::optional<base::Duration> timeout;

  friend bool operator==(const DependsOn&, const DependsOn&) = default;
};

struct ContainerPort {
  std::string name;
  std::int32_t container_port = 0;

  friend bool operator==(const ContainerPort&, const ContainerPort&) = default;
};

/// A key of a ConfigMap or a Secret of the workload's namespace.
struct KeySelector {
  std::string name;
  std::string key;
  /// Where it is missing the variable is not set; else the instance waits for it.
  bool optional = false;

  friend bool operator==(const KeySelector&, const KeySelector&) = default;
};

struct FieldSelector {
  std::string field_path;

  friend bool operator==(const FieldSelector&, const FieldSelector&) = default;
};

/// Exactly one of the three is set.
struct EnvVarSource {
  std::optional<KeySelector> config_map_key_ref;
  std::optional<KeySelector> secret_key_ref;
  std::optional<FieldSelector> field_ref;

  friend bool operator==(const EnvVarSource&, const EnvVarSource&) = default;
};

struct EnvVar {
  std::string name;
  std::string value;
  std::optional<EnvVarSource> value_from = {};

  friend bool operator==(const EnvVar&, const EnvVar&) = default;
};

/// A whole ConfigMap or Secret of the workload's namespace.
struct EnvSource {
  std::string name;
  bool optional = false;

  friend bool operator==(const EnvSource&, const EnvSource&) = default;
};

/// Every key of one is a variable. Exactly one of the two is set.
struct EnvFromSource {
  std::string prefix;
  std::optional<EnvSource> config_map_ref;
  std::optional<EnvSource> secret_ref;

  friend bool operator==(const EnvFromSource&, const EnvFromSource&) = default;
};

/// A user or group: its number in decimal, or its name; empty: as the mesh itself runs.
struct Account {
  std::string text;

  friend bool operator==(const Account&, const Account&) = default;
};

struct SecurityContext {
  Account run_as_user;
  Account run_as_group;
  bool run_as_non_root = false;

  friend bool operator==(const SecurityContext&, const SecurityContext&) = default;
};

struct VolumeMount {
  std::string name;
  /// Not where the folder is: nothing is mounted (docs/kinds.md).
  std::string mount_path;

  friend bool operator==(const VolumeMount&, const VolumeMount&) = default;
};

/// A key as a file of a volume.
struct KeyToPath {
  std::string key;
  std::string path;
  std::optional<std::int32_t> mode;

  friend bool operator==(const KeyToPath&, const KeyToPath&) = default;
};

struct ConfigMapVolume {
  std::string name;
  /// Empty: all keys.
  std::vector<KeyToPath> items;
  std::int32_t default_mode = 0644;
  bool optional = false;

  friend bool operator==(const ConfigMapVolume&, const ConfigMapVolume&) = default;
};

struct SecretVolume {
  std::string secret_name;
  std::vector<KeyToPath> items;
  /// Kubernetes: 0644, in a file system that only its container sees.
  std::int32_t default_mode = 0600;
  bool optional = false;

  friend bool operator==(const SecretVolume&, const SecretVolume&) = default;
};

enum class Medium : std::uint8_t { disk, memory };

struct EmptyDirVolume {
  Medium medium = Medium::disk;

  friend bool operator==(const EmptyDirVolume&, const EmptyDirVolume&) = default;
};

enum class HostPathType : std::uint8_t { any, directory, directory_or_create, file, file_or_create };

struct HostPathVolume {
  std::string path;
  HostPathType type = HostPathType::any;

  friend bool operator==(const HostPathVolume&, const HostPathVolume&) = default;
};

/// At most one of the four is set; none of a kind that weft does not have.
struct Volume {
  std::string name;
  std::optional<ConfigMapVolume> config_map;
  std::optional<SecretVolume> secret;
  std::optional<EmptyDirVolume> empty_dir;
  std::optional<HostPathVolume> host_path;

  friend bool operator==(const Volume&, const Volume&) = default;
};

struct HttpHeader {
  std::string name;
  std::string value;

  friend bool operator==(const HttpHeader&, const HttpHeader&) = default;
};

struct HttpGetAction {
  std::string path = "/";
  IntOrString port;
  std::vector<HttpHeader> http_headers;

  friend bool operator==(const HttpGetAction&, const HttpGetAction&) = default;
};

struct TcpSocketAction {
  IntOrString port;

  friend bool operator==(const TcpSocketAction&, const TcpSocketAction&) = default;
};

struct ExecAction {
  std::vector<std::string> command;

  friend bool operator==(const ExecAction&, const ExecAction&) = default;
};

/// Exactly one of the three actions is set.
struct Probe {
  std::optional<HttpGetAction> http_get;
  std::optional<TcpSocketAction> tcp_socket;
  std::optional<ExecAction> exec;
  std::int32_t initial_delay_seconds = 0;
  std::int32_t period_seconds = 10;
  std::int32_t timeout_seconds = 1;
  std::int32_t success_threshold = 1;
  std::int32_t failure_threshold = 3;

  friend bool operator==(const Probe&, const Probe&) = default;
};

struct SleepAction {
  std::int32_t seconds = 0;

  friend bool operator==(const SleepAction&, const SleepAction&) = default;
};

/// Exactly one of the three is set.
struct LifecycleHandler {
  std::optional<ExecAction> exec;
  std::optional<HttpGetAction> http_get;
  std::optional<SleepAction> sleep;

  friend bool operator==(const LifecycleHandler&, const LifecycleHandler&) = default;
};

struct Lifecycle {
  /// Right after the start: the container does not count as started before.
  std::optional<LifecycleHandler> post_start;
  /// Before SIGTERM, within the grace.
  std::optional<LifecycleHandler> pre_stop;

  friend bool operator==(const Lifecycle&, const Lifecycle&) = default;
};

struct Container {
  std::string name;
  std::string image;
  /// Empty: the image's.
  std::vector<std::string> command;
  std::vector<std::string> args;
  std::string working_dir;
  std::vector<ContainerPort> ports;
  std::vector<EnvVar> env;
  std::vector<EnvFromSource> env_from;
  std::vector<VolumeMount> volume_mounts;
  std::optional<SecurityContext> security_context;
  std::optional<Probe> readiness_probe;
  std::optional<Probe> liveness_probe;
  std::optional<Probe> startup_probe;
  std::optional<Lifecycle> lifecycle;

  friend bool operator==(const Container&, const Container&) = default;
};

enum class RestartPolicy : std::uint8_t { always, on_failure, never };

struct PodSpec {
  /// At least one; weft runs the first (a warning names the others).
  std::vector<Container> containers;
  RestartPolicy restart_policy = RestartPolicy::always;
  std::int64_t termination_grace_period_seconds = 30;
  /// Part of the identity; empty: the workload's name.
  std::string service_account_name;
  std::vector<Volume> volumes;
  std::optional<SecurityContext> security_context;

  friend bool operator==(const PodSpec&, const PodSpec&) = default;
};

/// The ports that probes and hooks of what weft runs ask by HTTP, with name and number where the container
/// declares them; one that it does not declare (an image may) has what the probe names alone.
std::vector<ContainerPort> asked_by_http(const PodSpec& pod);

struct PodTemplateSpec {
  ObjectMeta metadata;
  PodSpec spec;

  friend bool operator==(const PodTemplateSpec&, const PodTemplateSpec&) = default;
};

enum class StrategyType : std::uint8_t { rolling_update, recreate };

struct RollingUpdate {
  /// So many instances beyond `replicas` at a time.
  IntOrPercent max_surge{25, true};
  /// So many of `replicas` may be missing meanwhile.
  IntOrPercent max_unavailable{25, true};

  friend bool operator==(const RollingUpdate&, const RollingUpdate&) = default;
};

/// How instances of another template are replaced.
struct DeploymentStrategy {
  StrategyType type = StrategyType::rolling_update;
  RollingUpdate rolling_update;

  friend bool operator==(const DeploymentStrategy&, const DeploymentStrategy&) = default;
};

struct DeploymentSpec {
  std::int32_t replicas = 1;
  LabelSelector selector;
  PodTemplateSpec pod_template;  // "template"
  DeploymentStrategy strategy;
  /// An instance counts as available once it has been ready for so long.
  std::int32_t min_ready_seconds = 0;
  /// A rollout that has not got on for so long is said to have failed.
  std::int32_t progress_deadline_seconds = 600;
  /// So many earlier templates are kept to go back to.
  std::int32_t revision_history_limit = 10;
  std::vector<DependsOn> depends_on;

  friend bool operator==(const DeploymentSpec&, const DeploymentSpec&) = default;
};

struct Deployment {
  static constexpr std::string_view kind = "Deployment";
  ObjectMeta metadata;
  DeploymentSpec spec;

  friend bool operator==(const Deployment&, const Deployment&) = default;
};

/// Whether the runs of a Job are told apart; weft gives them no index.
enum class CompletionMode : std::uint8_t { non_indexed };

struct JobSpec {
  PodTemplateSpec pod_template;  // "template"
  std::int32_t backoff_limit = 6;
  /// Runs at a time.
  std::int32_t parallelism = 1;
  /// Runs that must succeed; nothing: one, and those beside it must have ended too.
  std::optional<std::int32_t> completions;
  CompletionMode completion_mode = CompletionMode::non_indexed;
  /// How long all runs may take together.
  std::optional<std::int32_t> active_deadline_seconds;
  /// It is deleted so long after its end; nothing: never.
  std::optional<std::int32_t> ttl_seconds_after_finished;
  /// It is to have no runs for now.
  bool suspend = false;
  std::vector<DependsOn> depends_on;

  friend bool operator==(const JobSpec&, const JobSpec&) = default;
};

struct Job {
  static constexpr std::string_view kind = "Job";
  ObjectMeta metadata;
  JobSpec spec;

  friend bool operator==(const Job&, const Job&) = default;
};

/// What the mesh reads in a port's traffic. `http` is HTTP/1.1; `automatic` whatever comes, which is asked
/// for by who says nothing.
enum class AppProtocol : std::uint8_t { http, http2, automatic, tcp };

struct ServicePort {
  std::string name;
  std::int32_t port = 0;
  /// Where the text says nothing: `port`. decode() fills it in.
  IntOrString target_port;
  /// The text's value, empty if it says nothing.
  std::string app_protocol;
  /// 0: the text says nothing.
  std::int32_t node_port = 0;
  /// The port of 127.0.0.1 at which it is to be called, by nodePort or by the annotation; 0: any will do.
  /// decode() fills it in.
  std::int32_t local_port = 0;

  /// By appProtocol, else by name, else by number (protocol.h); tcp for an appProtocol that is not known.
  AppProtocol traffic() const;
  friend bool operator==(const ServicePort&, const ServicePort&) = default;
};

/// What is called from outside: by weft each Service can be; NodePort and LoadBalancer may say at which port.
enum class ServiceType : std::uint8_t { cluster_ip, node_port, load_balancer, external_name };

struct ServiceSpec {
  ServiceType type = ServiceType::cluster_ip;
  Labels selector;
  std::vector<ServicePort> ports;
  std::vector<DependsOn> depends_on;

  friend bool operator==(const ServiceSpec&, const ServiceSpec&) = default;
};

struct Service {
  static constexpr std::string_view kind = "Service";
  ObjectMeta metadata;
  ServiceSpec spec;

  friend bool operator==(const Service&, const Service&) = default;
};

struct ExternalServiceSpec {
  /// A DNS name; or else `addresses`.
  std::string host;
  /// IPs.
  std::vector<std::string> addresses;
  /// Their targetPorts are numbers.
  std::vector<ServicePort> ports;

  friend bool operator==(const ExternalServiceSpec&, const ExternalServiceSpec&) = default;
};

/// A Service that weft does not run. Dependencies name it as they name a Service.
struct ExternalService {
  static constexpr std::string_view kind = "ExternalService";
  ObjectMeta metadata;
  ExternalServiceSpec spec;

  friend bool operator==(const ExternalService&, const ExternalService&) = default;
};
/// What its callers see of it: a Service without a selector.
Service as_service(const ExternalService& external);

struct Namespace {
  static constexpr std::string_view kind = "Namespace";
  ObjectMeta metadata;

  friend bool operator==(const Namespace&, const Namespace&) = default;
};

enum class ProviderType : std::uint8_t { process };

struct ProviderSpec {
  ProviderType type = ProviderType::process;

  friend bool operator==(const ProviderSpec&, const ProviderSpec&) = default;
};

struct Provider {
  static constexpr std::string_view kind = "Provider";
  ObjectMeta metadata;
  ProviderSpec spec;

  friend bool operator==(const Provider&, const Provider&) = default;
};

/// What a context is told about: its declared dependencies, its namespace's Services, all Services.
enum class Scope : std::uint8_t { declared, ns, mesh };
enum class LoadBalancing : std::uint8_t { round_robin, least_request };

struct MeshConfigSpec {
  Scope scope = Scope::declared;
  /// Of identities: spiffe://<trust domain>/ns/<ns>/sa/<sa>.
  std::string trust_domain = "cluster.local";
  LoadBalancing load_balancing = LoadBalancing::round_robin;
  /// Of every route; zero: no limit.
  base::Duration request_timeout = std::chrono::seconds(15);
  /// How many proxies before the edge may be believed in what they say of the way to it.
  std::int32_t trusted_hops = 0;

  friend bool operator==(const MeshConfigSpec&, const MeshConfigSpec&) = default;
};

/// One for a mesh, named "default"; where there is none, all defaults hold.
struct MeshConfig {
  static constexpr std::string_view kind = "MeshConfig";
  ObjectMeta metadata;
  MeshConfigSpec spec;

  friend bool operator==(const MeshConfig&, const MeshConfig&) = default;
};

/// What a policy is attached to, in its own namespace: Gateway API's LocalPolicyTargetReference (GEP-713).
struct PolicyTarget {
  std::string group;
  std::string kind;
  std::string name;

  friend bool operator==(const PolicyTarget&, const PolicyTarget&) = default;
};

/// Zero is no limit; nothing is the mesh's own.
struct PolicyTimeouts {
  /// From the end of a request to its response's head; in place of MeshConfig's requestTimeout.
  std::optional<base::Duration> request;
  /// A pause within a request or a response; of a TCP connection, both ways.
  std::optional<base::Duration> idle;
  /// Until an instance takes a connection; not zero.
  std::optional<base::Duration> connect;

  friend bool operator==(const PolicyTimeouts&, const PolicyTimeouts&) = default;
};

struct TrafficPolicySpec {
  std::vector<PolicyTarget> target_refs;
  PolicyTimeouts timeouts;
  /// Nothing: the mesh's own.
  std::optional<LoadBalancing> load_balancing;

  friend bool operator==(const TrafficPolicySpec&, const TrafficPolicySpec&) = default;
};

/// How callers treat the Services that it is attached to.
struct TrafficPolicy {
  static constexpr std::string_view kind = "TrafficPolicy";
  ObjectMeta metadata;
  TrafficPolicySpec spec;

  friend bool operator==(const TrafficPolicy&, const TrafficPolicy&) = default;
};

/// Which requests to a Service go where (route.h).
struct HTTPRoute {
  static constexpr std::string_view kind = "HTTPRoute";
  ObjectMeta metadata;
  HTTPRouteSpec spec;

  friend bool operator==(const HTTPRoute&, const HTTPRoute&) = default;
};

struct ConfigMap {
  static constexpr std::string_view kind = "ConfigMap";
  ObjectMeta metadata;
  std::map<std::string, std::string> data;
  /// In base64.
  std::map<std::string, std::string> binary_data;
  bool immutable = false;

  friend bool operator==(const ConfigMap&, const ConfigMap&) = default;
};

struct Secret {
  static constexpr std::string_view kind = "Secret";
  ObjectMeta metadata;
  /// In base64.
  std::map<std::string, std::string> data;
  /// As written; with_folded_data() (secret.h) takes it into data.
  std::map<std::string, std::string> string_data;
  std::string type = "Opaque";
  bool immutable = false;

  friend bool operator==(const Secret&, const Secret&) = default;
};

using Resource = std::variant<Service, Deployment, Job, Namespace, Provider, MeshConfig, TrafficPolicy,
                              HTTPRoute, ConfigMap, Secret, ExternalService>;

std::string_view kind_of(const Resource& resource);
const ObjectMeta& metadata_of(const Resource& resource);
/// "Service", "Deployment", "Job".
std::string_view to_string(DependencyKind kind);
/// Of a kind's name; nothing for what nobody depends on.
std::optional<DependencyKind> dependency_kind(std::string_view kind);
/// "started", "ready", "completed".
std::string_view to_string(DependencyCondition condition);

}  // namespace weft::model
