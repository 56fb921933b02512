// The rules of one resource that look at several of its fields, and the defaults that depend on others.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/expansion.h"
#include "base/nearest.h"
#include "model/codes.h"
#include "model/kinds.h"
#include "model/schema.h"
#include "model/variables.h"

namespace weft::model {
namespace {

/// Reports every item of `list` whose key an earlier one has; `field` names the key's field within an item.
template <class List, class Key>
void expect_unique(Findings& findings, const List& list, std::string_view list_name, std::string_view field,
                   Key key) {
  std::map<std::string, std::size_t> first;
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::string value = key(list[i]);
    if (value.empty()) continue;
    auto [there, is_new] = first.emplace(value, i);
    if (is_new) continue;
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
                 "Write TCP, or leave it out: weft carries TCP alone.");
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
  for (const auto& [name, probe] : {std::pair{"readinessProbe", &container.readiness_probe},
                                    {"livenessProbe", &container.liveness_probe},
                                    {"startupProbe", &container.startup_probe}}) {
    if (!*probe || !(*probe)->exec) continue;
    StartCheck(findings, base::Expansion(base::most_container_bytes))
        .arguments(fmt::format("{}.exec.command", name), (*probe)->exec->command);
  }
}

/// A probe's port by name must be one of the container's.
void check_probe_port(Findings& findings, const Container& container, std::string_view probe_name,
                      const std::optional<Probe>& probe) {
  if (!probe) return;
  const IntOrString* port = probe->http_get     ? &probe->http_get->port
                            : probe->tcp_socket ? &probe->tcp_socket->port
                                                : nullptr;
  if (!port || !port->name()) return;
  std::vector<std::string_view> names;
  for (const ContainerPort& known : container.ports) {
    if (known.name == *port->name()) return;
    if (!known.name.empty()) names.push_back(known.name);
  }
  std::string_view near = base::nearest(*port->name(), names);
  std::string mend = near.empty()
                         ? std::string("Give a port of the container that name, or write the port's number.")
                         : fmt::format("Did you mean `{}`?", near);
  findings.warning(fmt::format("{}.{}.port", probe_name, probe->http_get ? "httpGet" : "tcpSocket"),
                   code::unknown_port,
                   fmt::format("no port of container `{}` is named `{}`: the probe will fail", container.name,
                               *port->name()),
                   std::move(mend));
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

void Schema<Container>::check(Findings& findings, Container& container) {
  if (container.image.empty())
    findings.error("image", code::invalid_value, "`image` must not be empty", "Name an image.");
  expect_unique(findings, container.ports, "ports", "name",
                [](const ContainerPort& port) { return port.name; });
  expect_unique(findings, container.ports, "ports", "containerPort",
                [](const ContainerPort& port) { return std::to_string(port.container_port); });
  expect_unique(findings, container.env, "env", "name", [](const EnvVar& variable) { return variable.name; });
  expect_unique(findings, container.volume_mounts, "volumeMounts", "name",
                [](const VolumeMount& mount) { return mount.name; });
  expect_path_size(findings, "image", container.image);
  expect_path_size(findings, "workingDir", container.working_dir);
  check_start(findings, container);
  check_quantities(findings);
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
  expect_unique(findings, spec.volumes, "volumes", "name", [](const Volume& volume) { return volume.name; });
  check_mounts(findings, spec);
  expect_unique(findings, spec.containers, "containers", "name",
                [](const Container& container) { return container.name; });
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
    findings.error("template.spec.restartPolicy", code::invalid_value,
                   "`restartPolicy` of a Deployment must be Always", "Write Always, or make it a Job.");
  if (spec.progress_deadline_seconds <= spec.min_ready_seconds)
    findings.error("progressDeadlineSeconds", code::invalid_value,
                   fmt::format("`progressDeadlineSeconds` ({}) must be more than `minReadySeconds` ({})",
                               spec.progress_deadline_seconds, spec.min_ready_seconds),
                   "Change one of the two: no rollout could get on in time.");
  check_depends_on(findings, spec.depends_on);
}

void Schema<JobSpec>::check(Findings& findings, JobSpec& spec) {
  if (spec.pod_template.spec.restart_policy == RestartPolicy::always) {
    findings.error("template.spec.restartPolicy", code::invalid_value,
                   "`restartPolicy` of a Job must be Never or OnFailure",
                   "Add `restartPolicy: Never` below `spec.template.spec`.");
  }
  check_depends_on(findings, spec.depends_on);
}

void Schema<ServicePort>::check(Findings& findings, ServicePort& port) {
  expect_tcp(findings);
  const yaml::Node* target = findings.node().find("targetPort");
  if (!target || target->is_null()) port.target_port.value = port.port;
  bool is_known =
      port.app_protocol.empty() || port.app_protocol == "tcp" || port.traffic() == AppProtocol::http;
  if (!is_known) {
    findings.warning("appProtocol", code::opaque_protocol,
                     fmt::format("`{}` is carried as TCP, without looking into it", port.app_protocol),
                     "Write http if it is HTTP/1.1, or tcp.");
  }
}

void check_ports(Findings& findings, const std::vector<ServicePort>& ports) {
  expect_unique(findings, ports, "ports", "name", [](const ServicePort& port) { return port.name; });
  expect_unique(findings, ports, "ports", "port",
                [](const ServicePort& port) { return std::to_string(port.port); });
  for (std::size_t i = 0; ports.size() > 1 && i < ports.size(); ++i) {
    if (!ports[i].name.empty()) continue;
    findings.error(fmt::format("ports[{}].name", i), code::missing_field,
                   "each port of a Service with several needs a name", "Add `name:` to it.");
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
    findings.expect("metadata.name", metadata.name, kind.name_fault, "Change the name.");
  }
  if (kind.namespaced) {
    if (metadata.ns.empty()) metadata.ns = "default";
    findings.expect("metadata.namespace", metadata.ns, dns1123_label_fault, "Change the name.");
  } else if (!metadata.ns.empty()) {
    findings.error("metadata.namespace", code::invalid_value,
                   fmt::format("a {} is in no namespace", findings.kind()), "Remove `namespace:`.");
  }
}

}  // namespace weft::model
