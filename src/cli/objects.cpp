// One line for each kind of resource.
#include "cli/objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <tuple>

#include "model/labels.h"
#include "model/resource.h"

namespace weft::cli {

using base::Json;

const Json& value_at(const Json& object, std::string_view pointer) {
  static const Json none;
  const Json* at = &object;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const auto end = std::min(pointer.find('/'), pointer.size());
    const auto key = pointer.substr(0, end);
    pointer.remove_prefix(end);
    if (at->is_object()) {
      auto found = at->find(key);
      if (found == at->end()) return none;
      at = &*found;
    } else if (at->is_array()) {
      std::size_t index = 0;
      auto [last, error] = std::from_chars(key.data(), key.data() + key.size(), index);
      if (error != std::errc{} || last != key.data() + key.size() || index >= at->size()) return none;
      at = &(*at)[index];
    } else {
      return none;
    }
  }
  return *at;
}

std::string text_at(const Json& object, std::string_view pointer) {
  const Json& value = value_at(object, pointer);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::int64_t number_at(const Json& object, std::string_view pointer, std::int64_t otherwise) {
  const Json& value = value_at(object, pointer);
  return value.is_number_integer() ? value.get<std::int64_t>() : otherwise;
}

std::string name_of(const Json& object) { return text_at(object, "/metadata/name"); }
std::string namespace_of(const Json& object) { return text_at(object, "/metadata/namespace"); }

std::string kind_and_name(const Json& object) {
  const std::string kind = text_at(object, "/kind");
  const auto* known = model::find_kind(kind);
  return fmt::format("{}/{}", known != nullptr ? known->singular : std::string_view(kind), name_of(object));
}

std::vector<const Json*> conditions_of(const Json& object) {
  std::vector<const Json*> conditions;
  const auto add = [&](const Json& of) {
    for (const Json& condition : of) conditions.push_back(&condition);
  };
  add(value_at(object, "/status/conditions"));
  for (const Json& parent : value_at(object, "/status/parents")) add(value_at(parent, "/conditions"));
  return conditions;
}

bool is_observed(const Json& object) {
  const auto generation = number_at(object, "/metadata/generation");
  const std::string kind = text_at(object, "/kind");
  if (kind == "HTTPRoute") {  // Gateway API has it in each condition alone
    const auto conditions = conditions_of(object);
    return !conditions.empty() && std::ranges::all_of(conditions, [&](const Json* condition) {
      return number_at(*condition, "/observedGeneration") >= generation;
    });
  }
  const auto observed = number_at(object, "/status/observedGeneration", -1);
  if (observed >= 0) return observed >= generation;
  return kind != "Service" && kind != "Deployment" && kind != "Job";
}

Condition condition_of(const Json& object, std::string_view type) {
  Condition found;
  for (const Json* condition : conditions_of(object)) {
    if (text_at(*condition, "/type") != type) continue;
    if (found.status.empty() || found.is_true())
      found = {text_at(*condition, "/status"), text_at(*condition, "/reason"),
               text_at(*condition, "/message")};
  }
  return found;
}

std::string annotation_of(const Json& object, std::string_view key) {
  const Json& annotations = value_at(object, "/metadata/annotations");
  if (!annotations.is_object()) return {};
  auto found = annotations.find(key);
  return found != annotations.end() && found->is_string() ? found->get<std::string>() : std::string();
}

namespace {

std::string last_seen(const Json& event) {
  auto last = text_at(event, "/lastTimestamp");
  return last.empty() ? text_at(event, "/metadata/creationTimestamp") : last;
}

model::Labels labels_at(const Json& object, std::string_view pointer) {
  model::Labels labels;
  const Json& value = value_at(object, pointer);
  if (!value.is_object()) return labels;
  for (const auto& [key, text] : value.items()) {
    if (text.is_string()) labels.emplace(key, text.get<std::string>());
  }
  return labels;
}

}  // namespace

bool is_not_started(const Json& deployment) {
  return number_at(deployment, "/spec/replicas", 1) == 0 &&
         !annotation_of(deployment, model::annotation::replicas).empty();
}

std::int64_t intended_replicas(const Json& deployment) {
  if (!is_not_started(deployment)) return number_at(deployment, "/spec/replicas", 1);
  const std::string text = annotation_of(deployment, model::annotation::replicas);
  std::int64_t replicas = 1;
  std::from_chars(text.data(), text.data() + text.size(), replicas);
  return replicas;
}

std::vector<std::string> urls_of(const Json& service) {
  std::vector<std::string> urls;
  for (const Json& address : value_at(service, "/status/addresses")) {
    std::string url = text_at(address, "/url");
    urls.push_back(url.empty() ? text_at(address, "/address") : url);
  }
  return urls;
}

bool selects(const Json& service, const Json& target) {
  if (namespace_of(service) != namespace_of(target)) return false;
  const bool is_pod = text_at(target, "/kind") == "Pod";
  return model::service_selects(
      labels_at(service, "/spec/selector"),
      labels_at(target, is_pod ? "/metadata/labels" : "/spec/template/metadata/labels"));
}

model::Labels labels_of(const Json& object) { return labels_at(object, "/metadata/labels"); }

bool has_instances(std::string_view kind) { return kind == "Pod" || kind == "Deployment" || kind == "Job"; }

bool is_instance_of(std::string_view kind, std::string_view name, std::string_view instance,
                    const model::Labels& labels) {
  if (kind == "Pod") return instance == name;
  const auto is = [&labels](std::string_view label, std::string_view value) {
    const auto found = labels.find(std::string(label));
    return found != labels.end() && found->second == value;
  };
  return is(model::label::workload, name) && is(model::label::kind, kind);
}

bool is_instance_of(const Json& pod, const Json& target) {
  const auto kind = text_at(target, "/kind");
  if (kind == "Service") return selects(target, pod);
  return namespace_of(pod) == namespace_of(target) &&
         is_instance_of(kind, name_of(target), name_of(pod), labels_of(pod));
}

bool is_serving(const Json& pod) {
  return condition_of(pod, "Ready").is_true() && text_at(pod, "/metadata/deletionTimestamp").empty();
}

std::string age_of(std::string_view since, base::WallTime now) {
  auto start = base::parse_rfc3339(since);
  if (!start) return {};
  const auto seconds =
      std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(now - *start).count());
  if (seconds < 120) return fmt::format("{}s", seconds);
  if (seconds < 7200) return fmt::format("{}m", seconds / 60);
  if (seconds < 172'800) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / 86'400);
}

void sort_events(std::vector<Json>& events) {
  std::ranges::sort(events, {}, [](const Json& event) {
    // Within a second, by their versions: numbers that grow, as Kubernetes compares them (KEP-5504).
    auto version = text_at(event, "/metadata/resourceVersion");
    return std::tuple(last_seen(event), version.size(), std::move(version));
  });
}

std::string pod_state(const Json& pod) {
  if (!text_at(pod, "/metadata/deletionTimestamp").empty()) return "Terminating";
  for (const char* state : {"waiting", "terminated"}) {
    std::string reason = text_at(pod, fmt::format("/status/containerStatuses/0/state/{}/reason", state));
    if (!reason.empty()) return reason;
  }
  return text_at(pod, "/status/phase");
}

namespace {

Cell job_state(const Json& job) {
  if (!is_observed(job)) return {"Pending", Colour::yellow};
  if (condition_of(job, "Complete").is_true()) return {"Complete", Colour::green};
  if (condition_of(job, "Failed").is_true()) return {"Failed", Colour::red};
  if (condition_of(job, "Suspended").is_true()) return {"Suspended", Colour::dim};
  const auto dependencies = condition_of(job, "DependenciesReady");
  if (!dependencies.status.empty() && !dependencies.is_true()) return {dependencies.reason, Colour::yellow};
  return {number_at(job, "/status/active") > 0 ? "Running" : "Waiting", Colour::yellow};
}

/// Of a Deployment that serves: the word for its rollout as long as that is not complete.
Cell rollout_state(const Json& deployment) {
  const auto rollout = condition_of(deployment, "Progressing");
  if (rollout.reason.empty() || rollout.reason == "NewReplicaSetAvailable") return {"Ready", Colour::green};
  if (rollout.reason == "ReplicaSetUpdated") return {"Updating", Colour::yellow};
  return {rollout.reason, rollout.is_true() ? Colour::yellow : Colour::red};
}

}  // namespace

Cell state_cell(const Json& object) {
  const std::string kind = text_at(object, "/kind");
  if (kind == "Job") return job_state(object);
  if (kind == "Deployment" && is_not_started(object)) return {"NotStarted", Colour::dim};
  if (!is_observed(object)) return {"Pending", Colour::yellow};
  const auto dependencies = condition_of(object, "DependenciesReady");
  if (!dependencies.status.empty() && !dependencies.is_true()) return {dependencies.reason, Colour::yellow};
  const bool is_attached = kind == "TrafficPolicy" || kind == "HTTPRoute";
  const std::string_view good = is_attached ? "Accepted" : "Ready";
  const auto ready = condition_of(object, kind == "Deployment" ? "Available" : good);
  if (kind == "Deployment" && condition_of(object, "Progressing").reason == deadline_exceeded)
    return {std::string(deadline_exceeded), Colour::red};
  if (const auto resolved = condition_of(object, "ResolvedRefs");
      ready.is_true() && !resolved.status.empty() && !resolved.is_true())
    return {resolved.reason, Colour::yellow};
  if (ready.is_true())
    return kind == "Deployment" ? rollout_state(object) : Cell{std::string(good), Colour::green};
  if (ready.reason == "NotStarted") return {ready.reason, Colour::dim};
  return {ready.reason.empty() ? "Unknown" : ready.reason, Colour::yellow};
}

namespace {

struct Column {
  const char* title;
  bool wide = false;
  Cell (*cell)(const Json& object, base::WallTime now) = nullptr;
};

std::string joined(const Json& list, auto text) {
  std::string out;
  for (const Json& item : list) out += (out.empty() ? "" : ",") + text(item);
  return out.empty() ? "-" : out;
}

std::string pairs(const Json& map) {
  std::string out;
  if (!map.is_object()) return "-";
  for (const auto& [key, value] : map.items()) {
    out +=
        (out.empty() ? "" : ",") + key + "=" + (value.is_string() ? value.get<std::string>() : value.dump());
  }
  return out.empty() ? "-" : out;
}

/// `ns`: of the one that depends on it, which goes without saying.
std::string dependency_text(const Json& entry, std::string_view ns) {
  const std::string kind = text_at(entry, "/kind");
  std::string name = text_at(entry, "/name");
  const std::string other = text_at(entry, "/namespace");
  if (!other.empty() && other != ns) name = other + "/" + name;
  if (!kind.empty() && kind != "Service") name = kind + "/" + name;
  const std::string condition = text_at(entry, "/condition");
  return condition.empty() ? name : name + ":" + condition;
}

std::string target_text(const Json& target) { return text_at(target, "/name"); }

std::string port_text(const Json& port) {
  const Json& target = value_at(port, "/targetPort");
  std::string text = std::to_string(number_at(port, "/port"));
  if (target.is_null() || target == value_at(port, "/port")) return text;
  return text + ":" + (target.is_string() ? target.get<std::string>() : target.dump());
}

Cell name_cell(const Json& object, base::WallTime) { return {name_of(object)}; }
Cell age_cell(const Json& object, base::WallTime now) {
  return {age_of(text_at(object, "/metadata/creationTimestamp"), now)};
}
Cell state_column(const Json& object, base::WallTime) { return state_cell(object); }
Cell depends_cell(const Json& object, base::WallTime) {
  return {joined(value_at(object, "/spec/dependsOn"),
                 [ns = namespace_of(object)](const Json& entry) { return dependency_text(entry, ns); })};
}
Cell selector_cell(const Json& object, base::WallTime) {
  const Json& labels = value_at(object, "/spec/selector/matchLabels");
  return {pairs(labels.is_object() ? labels : value_at(object, "/spec/selector"))};
}
Cell image_cell(const Json& object, base::WallTime) {
  return {text_at(object, "/spec/template/spec/containers/0/image")};
}

/// A count of the status; "-" as long as there is none, for nobody has counted.
std::string count_at(const Json& object, std::string_view pointer) {
  return value_at(object, "/status").is_null() ? "-" : std::to_string(number_at(object, pointer));
}

const std::vector<Column>& service_columns() {
  static const std::vector<Column> columns = {
      {"NAME", false, name_cell},
      {"READY", false,
       [](const Json& o, base::WallTime) {
         return Cell{fmt::format("{}/{}", count_at(o, "/status/endpoints/ready"),
                                 count_at(o, "/status/endpoints/total"))};
       }},
      {"STATUS", false, state_column},
      {"URL", false,
       [](const Json& o, base::WallTime) { return Cell{fmt::format("{}", fmt::join(urls_of(o), ","))}; }},
      {"AGE", false, age_cell},
      {"PORTS", true,
       [](const Json& o, base::WallTime) { return Cell{joined(value_at(o, "/spec/ports"), port_text)}; }},
      {"SELECTOR", true, selector_cell},
      {"DEPENDS ON", true, depends_cell},
  };
  return columns;
}

const std::vector<Column>& policy_columns() {
  static const std::vector<Column> columns = {
      {"NAME", false, name_cell},
      {"SERVICES", false,
       [](const Json& o, base::WallTime) {
         return Cell{joined(value_at(o, "/spec/targetRefs"), target_text)};
       }},
      {"STATUS", false, state_column},
      {"AGE", false, age_cell},
  };
  return columns;
}

const std::vector<Column>& route_columns() {
  static const std::vector<Column> columns = {
      {"NAME", false, name_cell},
      {"SERVICES", false,
       [](const Json& o, base::WallTime) {
         return Cell{joined(value_at(o, "/spec/parentRefs"), target_text)};
       }},
      {"HOSTNAMES", false,
       [](const Json& o, base::WallTime) {
         return Cell{
             joined(value_at(o, "/spec/hostnames"), [](const Json& one) { return text_at(one, ""); })};
       }},
      {"STATUS", false, state_column},
      {"AGE", false, age_cell},
  };
  return columns;
}

const std::vector<Column>& external_columns() {
  static const std::vector<Column> columns = {
      {"NAME", false, name_cell},
      {"HOST", false,
       [](const Json& o, base::WallTime) {
         const auto address = [](const Json& one) { return one.is_string() ? one.get<std::string>() : ""; };
         const auto host = text_at(o, "/spec/host");
         return Cell{host.empty() ? joined(value_at(o, "/spec/addresses"), address) : host};
       }},
      {"PORTS", false,
       [](const Json& o, base::WallTime) { return Cell{joined(value_at(o, "/spec/ports"), port_text)}; }},
      {"STATUS", false, state_column},
      {"AGE", false, age_cell},
  };
  return columns;
}

const std::vector<Column>& deployment_columns() {
  static const std::vector<Column> columns = {
      {"NAME", false, name_cell},
      {"READY", false,
       [](const Json& o, base::WallTime) {
         return Cell{
             fmt::format("{}/{}", count_at(o, "/status/readyReplicas"), number_at(o, "/spec/replicas", 1))};
       }},
      {"UP-TO-DATE", false,
       [](const Json& o, base::WallTime) { return Cell{count_at(o, "/status/updatedReplicas")}; }},
      {"STATUS", false, state_column},
      {"AGE", false, age_cell},
      {"IMAGE", true, image_cell},
      {"SELECTOR", true, selector_cell},
      {"DEPENDS ON", true, depends_cell},
  };
  return columns;
}

const std::vector<Column>& job_columns() {
  static const std::vector<Column> columns = {
      {"NAME", false, name_cell},
      {"STATUS", false, state_column},
      {"COMPLETIONS", false,
       [](const Json& o, base::WallTime) {
         return Cell{
             fmt::format("{}/{}", count_at(o, "/status/succeeded"), number_at(o, "/spec/completions", 1))};
       }},
      {"FAILED", false, [](const Json& o, base::WallTime) { return Cell{count_at(o, "/status/failed")}; }},
      {"AGE", false, age_cell},
      {"IMAGE", true, image_cell},
      {"DEPENDS ON", true, depends_cell},
  };
  return columns;
}

Cell pod_state_cell(const Json& pod, base::WallTime) {
  const std::string state = pod_state(pod);
  const bool fine = state == "Running" || state == "Succeeded" || state == "Completed";
  const bool waits = state == "Pending" || state == "ContainerCreating" || state == "Terminating";
  return {state, fine ? Colour::green : waits ? Colour::yellow : Colour::red};
}

const std::vector<Column>& pod_columns() {
  static const std::vector<Column> columns = {
      {"NAME", false, name_cell},
      {"READY", false,
       [](const Json& o, base::WallTime) {
         return Cell{condition_of(o, "Ready").is_true() ? "1/1" : "0/1"};
       }},
      {"STATUS", false, pod_state_cell},
      {"RESTARTS", false,
       [](const Json& o, base::WallTime) {
         return Cell{std::to_string(number_at(o, "/status/containerStatuses/0/restartCount"))};
       }},
      {"AGE", false,
       [](const Json& o, base::WallTime now) { return Cell{age_of(text_at(o, "/status/startTime"), now)}; }},
      {"WORKLOAD", true,
       [](const Json& o, base::WallTime) {
         const Json& labels = value_at(o, "/metadata/labels");
         return Cell{labels.is_object() ? labels.value(std::string(model::label::workload), "") : ""};
       }},
      {"IMAGE", true,
       [](const Json& o, base::WallTime) { return Cell{text_at(o, "/spec/containers/0/image")}; }},
  };
  return columns;
}

Cell data_cell(const Json& object, base::WallTime) {
  return {std::to_string(value_at(object, "/data").size() + value_at(object, "/binaryData").size())};
}

const std::vector<Column>& config_map_columns() {
  static const std::vector<Column> columns = {
      {"NAME", false, name_cell}, {"DATA", false, data_cell}, {"AGE", false, age_cell}};
  return columns;
}

const std::vector<Column>& secret_columns() {
  static const std::vector<Column> columns = {{"NAME", false, name_cell},
                                              {"TYPE", false,
                                               [](const Json& o, base::WallTime) {
                                                 const auto type = text_at(o, "/type");
                                                 return Cell{type.empty() ? "Opaque" : type};
                                               }},
                                              {"DATA", false, data_cell},
                                              {"AGE", false, age_cell}};
  return columns;
}

const std::vector<Column>& event_columns() {
  static const std::vector<Column> columns = {
      {"LAST SEEN", false, [](const Json& o, base::WallTime now) { return Cell{age_of(last_seen(o), now)}; }},
      {"TYPE", false, [](const Json& o, base::WallTime) { return Cell{text_at(o, "/type")}; }},
      {"REASON", false, [](const Json& o, base::WallTime) { return Cell{text_at(o, "/reason")}; }},
      {"OBJECT", false,
       [](const Json& o, base::WallTime) {
         return Cell{text_at(o, "/involvedObject/kind") + "/" + text_at(o, "/involvedObject/name")};
       }},
      {"MESSAGE", false, [](const Json& o, base::WallTime) { return Cell{text_at(o, "/message")}; }},
  };
  return columns;
}

const std::vector<Column>& revision_columns() {
  static const std::vector<Column> columns = {
      {"REVISION", false,
       [](const Json& o, base::WallTime) { return Cell{std::to_string(number_at(o, "/revision"))}; }},
      {"NAME", false, name_cell},
      {"DEPLOYMENT", false,
       [](const Json& o, base::WallTime) { return Cell{text_at(o, "/metadata/ownerReferences/0/name")}; }},
      {"IMAGE", false,
       [](const Json& o, base::WallTime) {
         return Cell{text_at(o, "/data/spec/template/spec/containers/0/image")};
       }},
      {"AGE", false, age_cell},
      {"CHANGE-CAUSE", false,
       [](const Json& o, base::WallTime) { return Cell{annotation_of(o, change_cause_annotation)}; }},
  };
  return columns;
}

const std::vector<Column>& columns_for(std::string_view kind) {
  static const std::vector<Column> plain = {{"NAME", false, name_cell}, {"AGE", false, age_cell}};
  if (kind == "Service") return service_columns();
  if (kind == "Deployment") return deployment_columns();
  if (kind == "Job") return job_columns();
  if (kind == "ControllerRevision") return revision_columns();
  if (kind == "Pod") return pod_columns();
  if (kind == "Event") return event_columns();
  if (kind == "ConfigMap") return config_map_columns();
  if (kind == "Secret") return secret_columns();
  if (kind == "ExternalService") return external_columns();
  if (kind == "TrafficPolicy") return policy_columns();
  if (kind == "HTTPRoute") return route_columns();
  return plain;
}

}  // namespace

Columns columns_of(const model::Kind& kind, const std::vector<Json>& objects, bool wide, bool with_namespace,
                   base::WallTime now) {
  Columns result;
  with_namespace = with_namespace && kind.namespaced;
  if (with_namespace) result.header.emplace_back("NAMESPACE");
  for (const auto& column : columns_for(kind.kind)) {
    if (wide || !column.wide) result.header.emplace_back(column.title);
  }
  for (const Json& object : objects) {
    Row row;
    if (with_namespace) row.push_back({namespace_of(object)});
    for (const auto& column : columns_for(kind.kind)) {
      if (wide || !column.wide) row.push_back(column.cell(object, now));
    }
    result.rows.push_back(std::move(row));
  }
  return result;
}

}  // namespace weft::cli
