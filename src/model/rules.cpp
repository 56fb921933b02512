// The rules of one resource that look at several of its fields, and the defaults that depend on others.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/expansion.h"
#include "base/nearest.h"
#include "model/codes.h"
#include "model/kinds.h"
#include "model/protocol.h"
#include "model/schema.h"
#include "model/variables.h"

namespace weft::model {
namespace {

/// Reports every item of `list` whose key an earlier one has; `field` names the key's field within an item.
/// What has another key twice, too, is one fault: `reported` has those that were told of.
template <class List, class Key>
void expect_unique(Findings& findings, const List& list, std::string_view list_name, std::string_view field,
                   std::set<std::size_t>& reported, Key key) {
  std::map<std::string, std::size_t> first;
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::string value = key(list[i]);
    if (value.empty() || reported.contains(i)) continue;
    auto [there, is_new] = first.emplace(value, i);
    if (is_new) continue;
    reported.insert(i);
    findings.error(fmt::format("{}[{}].{}", list_name, i, field), code::duplicate,
                   fmt::format("`{}` is also the {} of {}[{}]", value, field, list_name, there->second),
                   fmt::format("Give each {} of `{}` once.", field, list_name));
  }
}

/// `protocol` of a port: only TCP is carried.
void expect_tcp(Findings& findings) {
  const yaml::Node* protocol = findings.node().find("protocol");
  if (!protocol || protocol->is_null()) return;
  const std::string* text = protocol->string();
  if (text && *text == "TCP") return;
  findings.error("protocol", code::invalid_value,
                 fmt::format("`protocol` must be TCP{}", text ? ", not " + *text : ""),
                 text && *text == "tcp" ? findings.replace("protocol", "Write `TCP`.", "TCP")
                                        : Mend("Write TCP, or leave it out: weft carries TCP alone."));
}

void check_depends_on(Findings& findings, const std::vector<DependsOn>& entries) {
  std::map<std::string, std::size_t> first;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    std::string key = fmt::format("{} {}{}{}", to_string(entries[i].kind), entries[i].ns,
                                  entries[i].ns.empty() ? "" : "/", entries[i].name);
    auto [there, is_new] = first.emplace(key, i);
    if (is_new) continue;
    findings.error(fmt::format("dependsOn[{}].name", i), code::duplicate,
                   fmt::format("{} is also in dependsOn[{}]", key, there->second), "Remove one of the two.");
  }
}

/// What a list of volumes says of a name that one mounts.
void check_mounts(Findings& findings, const PodSpec& spec) {
  std::vector<std::string_view> names;
  for (const Volume& volume : spec.volumes) names.push_back(volume.name);
  for (std::size_t c = 0; c < spec.containers.size(); ++c) {
    const auto& mounts = spec.containers[c].volume_mounts;
    for (std::size_t i = 0; i < mounts.size(); ++i) {
      const auto at = std::ranges::find(spec.volumes, mounts[i].name, &Volume::name);
      const std::string field = fmt::format("containers[{}].volumeMounts[{}]", c, i);
      if (at == spec.volumes.end()) {
        const auto near = base::nearest(mounts[i].name, names);
        findings.error(field + ".name", code::invalid_value,
                       fmt::format("there is no volume `{}`", mounts[i].name),
                       near.empty() ? "Add it below `volumes:`." : fmt::format("Did you mean `{}`?", near));
      } else if (!mounts[i].mount_path.empty() &&
                 !(at->host_path && at->host_path->path == mounts[i].mount_path)) {
        findings.warning(
            field + ".mountPath", code::not_mounted,
            fmt::format("weft mounts nothing at {}: the program finds the folder of the volume `{}` in ${}",
                        mounts[i].mount_path, at->name, volume_variable(at->name)),
            fmt::format("Pass it on in `args` or `env`: $({}).", volume_variable(at->name)));
      }
    }
  }
}

void expect_path_size(Findings& findings, std::string_view field, const std::string& value) {
  if (value.size() <= most_path_bytes) return;
  findings.error(
      field, code::too_large,
      fmt::format("`{}` has {} bytes, at most {} are allowed", field, value.size(), most_path_bytes),
      "Make it shorter.");
}

/// What a process of the container would be started with: no more than the kernel takes, whatever $(NAME)
/// becomes. That is checked here, for what is stored must be what can be run.
class StartCheck {
 public:
  StartCheck(Findings& findings, base::Expansion expansion)
      : findings_(findings), expansion_(std::move(expansion)) {}

  void variables(const std::vector<EnvVar>& variables) {
    for (std::size_t i = 0; i < variables.size(); ++i) {
      if (variables[i].value_from) continue;  // what it becomes is counted at the start
      const auto defined = expansion_.define(variables[i].name, variables[i].value);
      if (!defined) report(fmt::format("env[{}].value", i), variables[i].name, defined.error());
    }
  }
  void arguments(std::string_view list, const std::vector<std::string>& words) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      const auto argument = expansion_.argument(words[i]);
      const auto item = fmt::format("{}[{}]", list, i);
      if (!argument) report(item, item, argument.error());
    }
  }

 private:
  void report(std::string_view field, std::string_view what, base::ExpansionErrorKind kind) {
    if (std::exchange(reported_, true)) return;  // those after it may use it
    findings_.error(field, code::too_large, fmt::format("`{}` {}", what, base::to_words(kind)),
                    "Pass large or binary data in a file.");
  }

  Findings& findings_;
  base::Expansion expansion_;
  bool reported_ = false;
};

void check_start(Findings& findings, const Container& container) {
  StartCheck check(findings,
                   base::Expansion(base::most_container_bytes, std::string(base::runtime_value_bytes, 'x')));
  check.variables(container.env);
  check.arguments("command", container.command);
  check.arguments("args", container.args);
  // A probe's command runs in the same environment, and is not expanded.
  const auto check_command = [&](std::string_view name, const auto& by) {
    if (!by || !by->exec) return;
    StartCheck(findings, base::Expansion(base::most_container_bytes))
        .arguments(fmt::format("{}.exec.command", name), by->exec->command);
  };
  check_command("readinessProbe", container.readiness_probe);
  check_command("livenessProbe", container.liveness_probe);
  check_command("startupProbe", container.startup_probe);
  if (!container.lifecycle) return;
  check_command("lifecycle.postStart", container.lifecycle->post_start);
  check_command("lifecycle.preStop", container.lifecycle->pre_stop);
}

/// A port by name that is asked must be one of the container's. `asker`: "the probe".
void check_asked_port(Findings& findings, const Container& container, std::string_view field,
                      const IntOrString& port, std::string_view asker) {
  if (!port.name()) return;
  std::vector<std::string_view> names;
  for (const ContainerPort& known : container.ports) {
    if (known.name == *port.name()) return;
    if (!known.name.empty()) names.push_back(known.name);
  }
  std::string_view near = base::nearest(*port.name(), names);
  Mend mend = near.empty()
                  ? Mend("Give a port of the container that name, or write the port's number.")
                  : findings.replace(field, fmt::format("Did you mean `{}`?", near), std::string(near));
  findings.warning(field, code::unknown_port,
                   fmt::format("no port of container `{}` is named `{}`: {} will fail", container.name,
                               *port.name(), asker),
                   std::move(mend));
}

void check_probe_port(Findings& findings, const Container& container, std::string_view name,
                      const std::optional<Probe>& probe) {
  if (!probe || (!probe->http_get && !probe->tcp_socket)) return;
  check_asked_port(findings, container,
                   fmt::format("{}.{}.port", name, probe->http_get ? "httpGet" : "tcpSocket"),
                   probe->http_get ? probe->http_get->port : probe->tcp_socket->port, "the probe");
}

void check_lifecycle(Findings& findings, const Container& container, Lifecycle& lifecycle) {
  for (auto [name, handler] :
       {std::pair{"postStart", &lifecycle.post_start}, std::pair{"preStop", &lifecycle.pre_stop}}) {
    if (!*handler) continue;
    // One with an action that weft does not have (tcpSocket) has been warned about.
    if (!(*handler)->exec && !(*handler)->http_get && !(*handler)->sleep) {
      handler->reset();
    } else if ((*handler)->http_get) {
      check_asked_port(findings, container, fmt::format("lifecycle.{}.httpGet.port", name),
                       (*handler)->http_get->port, name);
    }
  }
}

/// What an instance sleeps through must fit into its grace, as in Kubernetes.
void check_sleep(Findings& findings, const PodSpec& spec) {
  for (std::size_t i = 0; i < spec.containers.size(); ++i) {
    const auto& lifecycle = spec.containers[i].lifecycle;
    if (!lifecycle) continue;
    for (const auto& [name, handler] :
         {std::pair{"postStart", &lifecycle->post_start}, std::pair{"preStop", &lifecycle->pre_stop}}) {
      if (!*handler || !(*handler)->sleep ||
          (*handler)->sleep->seconds <= spec.termination_grace_period_seconds)
        continue;
      findings.error(fmt::format("containers[{}].lifecycle.{}.sleep.seconds", i, name), code::invalid_value,
                     fmt::format("`seconds` is more than terminationGracePeriodSeconds ({})",
                                 spec.termination_grace_period_seconds),
                     fmt::format("Write at most {}, or raise terminationGracePeriodSeconds.",
                                 spec.termination_grace_period_seconds));
    }
  }
}

/// resources.limits and .requests are not acted on, but must be quantities.
void check_quantities(Findings& findings) {
  for (std::string_view part : {"limits", "requests"}) {
    const yaml::Node* map = yaml::find_path(findings.node(), fmt::format("resources.{}", part));
    if (!map || !map->map()) continue;
    for (const yaml::Entry& entry : *map->map()) {
      bool is_number = entry.value.integer() || entry.value.floating();
      const std::string* text = entry.value.string();
      Fault fault = is_number ? Fault{} : quantity_fault(text ? *text : "");
      if (fault.empty()) continue;
      findings.error(fmt::format("resources.{}[{}]", part, entry.key), code::invalid_value,
                     fmt::format("`{}`: `{}` {}", entry.key,
                                 text ? *text : std::string(yaml::type_name(entry.value)), fault),
                     "Write a number with a unit.");
    }
  }
}

/// Whether the mesh makes of that appProtocol all that any does. Into TLS others look.
bool is_read(std::string_view app_protocol) {
  const Protocol* protocol = protocol_of_name(app_protocol);
  return protocol && protocol->title != "TLS";
}

/// Several instances cannot listen on one port: `PORT` (and `PORT_<NAME>`) are weft's to say then.
void warn_of_fixed_port(Findings& findings, const DeploymentSpec& spec) {
  if (spec.replicas <= 1) return;
  const auto& container = spec.pod_template.spec.containers.front();
  for (std::size_t i = 0; i < container.env.size(); ++i) {
    const auto& name = container.env[i].name;
    const auto& value = container.env[i].value;
    const bool is_number =
        !value.empty() && std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; });
    if (!is_number || (name != "PORT" && !name.starts_with("PORT_"))) continue;
    findings.warning(
        fmt::format("template.spec.containers[0].env[{}].value", i), code::fixed_port,
        fmt::format("{} instances cannot all listen on {}", spec.replicas, value),
        fmt::format("Remove `{}` from `env`: weft tells each instance a port of its own in it.", name));
  }
}

std::string to_text(const Labels& labels) {
  return to_string(LabelSelector{.match_labels = labels, .match_expressions = {}});
}

}  // namespace

void Schema<LabelRequirement>::check(Findings& findings, LabelRequirement& requirement) {
  using enum LabelRequirement::Operator;
  bool wants_values = requirement.op == in || requirement.op == not_in;
  if (wants_values == !requirement.values.empty()) {
    for (std::size_t i = 0; i < requirement.values.size(); ++i)
      findings.expect(fmt::format("values[{}]", i), requirement.values[i], label_value_fault);
    return;
  }
  findings.error("values", code::invalid_value,
                 wants_values ? "the operators In and NotIn need `values`"
                              : "the operators Exists and DoesNotExist take no `values`",
                 wants_values ? "Add `values:` with at least one item." : "Remove `values:`.");
}

void Schema<DependsOn>::check(Findings& findings, DependsOn& entry) {
  const yaml::Node* condition = findings.node().find("condition");
  bool is_job = entry.kind == DependencyKind::job;
  if (!condition || condition->is_null())
    entry.condition = is_job ? DependencyCondition::completed : DependencyCondition::ready;
  bool is_impossible = is_job ? entry.condition == DependencyCondition::ready
                              : entry.condition == DependencyCondition::completed;
  if (is_impossible) {
    findings.error("condition", code::impossible_condition,
                   is_job ? "a Job is never ready: it starts and completes"
                          : fmt::format("a {} never completes", to_string(entry.kind)),
                   is_job ? "Write `completed` or `started`."
                          : "Write `ready` or `started`, or `kind: Job` if it is a Job.");
  }
  if (entry.timeout && *entry.timeout == base::Duration::zero())
    findings.error("timeout", code::invalid_value, "`timeout` must be more than 0",
                   "Write a time such as 30s, or remove it.");
}

void Schema<ContainerPort>::check(Findings& findings, ContainerPort&) { expect_tcp(findings); }

void Schema<HttpGetAction>::check(Findings& findings, HttpGetAction& action) {
  if (!action.path.starts_with('/')) action.path.insert(0, "/");
  if (action.path.find_first_of(" \r\n\t") != std::string::npos)
    findings.error("path", code::invalid_value, "`path` must not have blanks in it",
                   "Write %20 for a space.");
}

void Schema<Probe>::check(Findings& findings, Probe& probe) {
  int actions =
      int{probe.http_get.has_value()} + int{probe.tcp_socket.has_value()} + int{probe.exec.has_value()};
  if (actions > 1)
    findings.error({}, code::invalid_value, "a probe has more than one of httpGet, tcpSocket and exec",
                   "Keep one of them.");
  if (actions == 0 && !findings.node().find("grpc"))
    findings.error({}, code::missing_field, "a probe needs one of httpGet, tcpSocket and exec",
                   "Add one, such as `httpGet: {path: /, port: 80}`.");
}

void Schema<LifecycleHandler>::check(Findings& findings, LifecycleHandler& handler) {
  const int actions =
      int{handler.exec.has_value()} + int{handler.http_get.has_value()} + int{handler.sleep.has_value()};
  if (actions > 1)
    findings.error({}, code::invalid_value, "a handler has more than one of exec, httpGet and sleep",
                   "Keep one of them.");
  if (actions == 0 && !findings.node().find("tcpSocket"))
    findings.error({}, code::missing_field, "a handler needs one of exec, httpGet and sleep",
                   "Add one, such as `sleep: {seconds: 5}`.");
}

void Schema<Container>::check(Findings& findings, Container& container) {
  if (container.image.empty())
    findings.error("image", code::invalid_value, "`image` must not be empty", "Name an image.");
  std::set<std::size_t> ports;
  expect_unique(findings, container.ports, "ports", "name", ports,
                [](const ContainerPort& port) { return port.name; });
  expect_unique(findings, container.ports, "ports", "containerPort", ports,
                [](const ContainerPort& port) { return std::to_string(port.container_port); });
  std::set<std::size_t> variables;
  expect_unique(findings, container.env, "env", "name", variables,
                [](const EnvVar& variable) { return variable.name; });
  std::set<std::size_t> mounts;
  expect_unique(findings, container.volume_mounts, "volumeMounts", "name", mounts,
                [](const VolumeMount& mount) { return mount.name; });
  expect_path_size(findings, "image", container.image);
  expect_path_size(findings, "workingDir", container.working_dir);
  check_start(findings, container);
  check_quantities(findings);
  if (container.lifecycle) check_lifecycle(findings, container, *container.lifecycle);
  using Named = std::pair<std::string_view, std::optional<Probe>*>;
  for (auto [name, probe] :
       {Named{"readinessProbe", &container.readiness_probe},
        Named{"livenessProbe", &container.liveness_probe}, Named{"startupProbe", &container.startup_probe}}) {
    if (!*probe) continue;
    // One with an action that weft does not have (grpc) has been warned about.
    if (!(*probe)->http_get && !(*probe)->tcp_socket && !(*probe)->exec) probe->reset();
    check_probe_port(findings, container, name, *probe);
    if (*probe && name != "readinessProbe" && (*probe)->success_threshold != 1)
      findings.error(fmt::format("{}.successThreshold", name), code::invalid_value,
                     fmt::format("must be 1 in a {}", name), "Remove it.");
  }
}

void Schema<PodSpec>::check(Findings& findings, PodSpec& spec) {
  std::set<std::size_t> volumes;
  expect_unique(findings, spec.volumes, "volumes", "name", volumes,
                [](const Volume& volume) { return volume.name; });
  check_mounts(findings, spec);
  std::set<std::size_t> containers;
  expect_unique(findings, spec.containers, "containers", "name", containers,
                [](const Container& container) { return container.name; });
  check_sleep(findings, spec);
  for (std::size_t i = 1; i < spec.containers.size(); ++i) {
    findings.warning(
        fmt::format("containers[{}].name", i), code::extra_container,
        fmt::format("weft runs the first container alone: `{}` is not started", spec.containers[i].name),
        "Give it a Deployment of its own, or leave it for Kubernetes.");
  }
}

void Schema<RollingUpdate>::check(Findings& findings, RollingUpdate& update) {
  const auto& missing = update.max_unavailable;
  if (missing.is_percent && missing.amount > 100) {
    findings.error("maxUnavailable", code::invalid_value, "`maxUnavailable` must be at most 100%",
                   "Change the number.");
  }
  if (missing.amount == 0 && update.max_surge.amount == 0) {
    findings.error("maxUnavailable", code::invalid_value,
                   "`maxSurge` and `maxUnavailable` must not both be 0: nothing could be replaced",
                   "Write `maxUnavailable: 1` to stop one before the next starts, or `maxSurge: 1`.");
  }
}

void Schema<DeploymentStrategy>::check(Findings& findings, DeploymentStrategy& strategy) {
  const auto* update = findings.node().find("rollingUpdate");
  if (strategy.type != StrategyType::recreate || !update || update->is_null()) return;
  findings.error("rollingUpdate", code::invalid_value, "`rollingUpdate` has no meaning with `type: Recreate`",
                 "Remove it, or write `type: RollingUpdate`.");
}

void Schema<DeploymentSpec>::check(Findings& findings, DeploymentSpec& spec) {
  if (spec.selector.empty()) {
    findings.error("selector", code::invalid_value, "the selector of a Deployment must not be empty",
                   "Add `matchLabels:` with the template's labels.");
  } else if (!matches(spec.selector, spec.pod_template.metadata.labels)) {
    std::string labels = to_text(spec.pod_template.metadata.labels);
    findings.error("template.metadata.labels", code::selector_mismatch,
                   fmt::format("the selector ({}) does not match the template's labels ({})",
                               to_string(spec.selector), labels.empty() ? "none" : labels),
                   "Give the template the labels that `spec.selector` asks for.");
  }
  if (spec.pod_template.spec.restart_policy != RestartPolicy::always)
    findings.error(
        "template.spec.restartPolicy", code::invalid_value, "`restartPolicy` of a Deployment must be Always",
        findings.replace("template.spec.restartPolicy", "Write `Always`, or make it a Job.", "Always"));
  if (spec.progress_deadline_seconds <= spec.min_ready_seconds)
    findings.error("progressDeadlineSeconds", code::invalid_value,
                   fmt::format("`progressDeadlineSeconds` ({}) must be more than `minReadySeconds` ({})",
                               spec.progress_deadline_seconds, spec.min_ready_seconds),
                   "Change one of the two: no rollout could get on in time.");
  warn_of_fixed_port(findings, spec);
  check_depends_on(findings, spec.depends_on);
}

void Schema<JobSpec>::check(Findings& findings, JobSpec& spec) {
  if (spec.pod_template.spec.restart_policy == RestartPolicy::always) {
    const std::string_view field = "template.spec.restartPolicy";
    const bool is_written = yaml::find_path(findings.node(), field) != nullptr;
    findings.error(field, code::invalid_value, "`restartPolicy` of a Job must be Never or OnFailure",
                   is_written ? findings.replace(field, "Write `Never`, or `OnFailure`.", "Never")
                              : findings.insert("template.spec",
                                                "Add `restartPolicy: Never` below `spec.template.spec`.",
                                                "restartPolicy: Never"));
  }
  check_depends_on(findings, spec.depends_on);
}

void Schema<ServicePort>::check(Findings& findings, ServicePort& port) {
  expect_tcp(findings);
  const yaml::Node* target = findings.node().find("targetPort");
  if (!target || target->is_null()) port.target_port.value = port.port;
  if (!port.app_protocol.empty() && !is_read(port.app_protocol)) {
    findings.warning("appProtocol", code::opaque_protocol,
                     fmt::format("`{}` is carried as TCP, without looking into it", port.app_protocol),
                     "Write http if it is HTTP/1.1, http2 or grpc if it is that, or tcp.");
  }
}

void check_ports(Findings& findings, const std::vector<ServicePort>& ports) {
  std::set<std::size_t> reported;
  expect_unique(findings, ports, "ports", "name", reported,
                [](const ServicePort& port) { return port.name; });
  expect_unique(findings, ports, "ports", "port", reported,
                [](const ServicePort& port) { return std::to_string(port.port); });
  for (std::size_t i = 0; ports.size() > 1 && i < ports.size(); ++i) {
    if (!ports[i].name.empty()) continue;
    const auto name = fmt::format("name: port-{}", ports[i].port);
    findings.error(fmt::format("ports[{}].name", i), code::missing_field,
                   "each port of a Service with several needs a name",
                   findings.insert(fmt::format("ports[{}]", i),
                                   fmt::format("Add one to it, such as `{}`.", name), name));
  }
}

void Schema<ServiceSpec>::check(Findings& findings, ServiceSpec& spec) {
  check_ports(findings, spec.ports);
  check_depends_on(findings, spec.depends_on);
}

void check_metadata(Findings& findings, ObjectMeta& metadata) {
  const Kind& kind = *find_kind(findings.kind());
  if (metadata.name.empty()) {
    findings.error("metadata.name", code::missing_field, fmt::format("a {} needs a name", findings.kind()),
                   "Add `name:` below `metadata:`.");
  } else {
    findings.expect("metadata.name", metadata.name, kind.name_fault);
  }
  if (kind.namespaced) {
    if (metadata.ns.empty()) metadata.ns = "default";
    findings.expect("metadata.namespace", metadata.ns, dns1123_label_fault);
  } else if (!metadata.ns.empty()) {
    findings.error("metadata.namespace", code::invalid_value,
                   fmt::format("a {} is in no namespace", findings.kind()), "Remove `namespace:`.");
  }
}

}  // namespace weft::model
