#include "control/reconcile/pod.h"

#include <string>

#include "control/reconcile/conditions.h"

namespace weft::control::reconcile {
namespace {

using base::Json;

std::string_view name_of(model::RestartPolicy policy) {
  switch (policy) {
    case model::RestartPolicy::always: return "Always";
    case model::RestartPolicy::on_failure: return "OnFailure";
    case model::RestartPolicy::never: return "Never";
  }
  return "Always";
}

std::string container_name(const Instance& instance) {
  return instance.pod->containers.empty() ? instance.workload.name : instance.pod->containers.front().name;
}

Json metadata_of(const Workload& workload, const Instance& instance, const Json& before, base::WallTime now) {
  Json labels = with_own_labels(workload.pod_template().metadata.labels, instance);
  Json metadata = {{"name", instance.name}, {"namespace", instance.ns()}, {"labels", std::move(labels)}};
  metadata["ownerReferences"] = Json::array({{{"apiVersion", workload.job ? "batch/v1" : "apps/v1"},
                                              {"kind", model::to_string(instance.workload.kind)},
                                              {"name", instance.workload.name},
                                              {"uid", instance.owner_uid},
                                              {"controller", true}}});
  if (instance.is_leaving()) {
    const auto* known = before.is_object() && before.contains("metadata") ? &before.at("metadata") : nullptr;
    metadata["deletionTimestamp"] = known && known->contains("deletionTimestamp")
                                        ? known->at("deletionTimestamp")
                                        : Json(base::format_rfc3339(now));
  }
  return metadata;
}

Json spec_of(const Instance& instance) {
  Json containers = Json::array();
  if (!instance.pod->containers.empty()) {
    const auto& container = instance.pod->containers.front();
    Json ports = Json::array();
    for (const auto& bound : instance.ports) {
      Json port = {{"containerPort", bound.port.number},
                   {"hostIP", bound.address.ip()},
                   {"hostPort", bound.address.port()}};
      if (!bound.port.name.empty()) port["name"] = bound.port.name;
      ports.push_back(std::move(port));
    }
    containers.push_back({{"name", container.name}, {"image", container.image}, {"ports", std::move(ports)}});
  }
  return {{"containers", std::move(containers)}, {"restartPolicy", name_of(instance.pod->restart_policy)}};
}

std::string_view phase_of(const Instance& instance) {
  switch (instance.state) {
    case State::finished: return instance.has_succeeded() ? "Succeeded" : "Failed";
    case State::starting:
    case State::waiting: return instance.last_exit ? "Running" : "Pending";
    case State::running:
    case State::stopping: return "Running";
  }
  return "Unknown";
}

Json terminated(const Instance& instance) {
  const auto& exit = *instance.last_exit;
  const int code = exit_code(exit);
  Json state = {{"exitCode", code},
                {"reason", code == 0 ? "Completed" : "Error"},
                {"message", to_string(exit)},
                {"finishedAt", base::format_rfc3339(exit.at)}};
  if (exit.signal) state["signal"] = *exit.signal;
  return state;
}

Json state_of(const Instance& instance) {
  switch (instance.state) {
    case State::starting:
      return {{"waiting", {{"reason", "ContainerCreating"}, {"message", instance.message}}}};
    case State::waiting: return {{"waiting", {{"reason", instance.reason}, {"message", instance.message}}}};
    case State::finished:
      if (instance.last_exit) return {{"terminated", terminated(instance)}};
      return {{"waiting", {{"reason", instance.reason}, {"message", instance.message}}}};
    case State::running: return {{"running", {{"startedAt", base::format_rfc3339(instance.started_at)}}}};
    case State::stopping:
      if (!instance.has_process && instance.last_exit) return {{"terminated", terminated(instance)}};
      return {{"running", {{"startedAt", base::format_rfc3339(instance.started_at)}}}};
  }
  return {};
}

}  // namespace

Json pod_of(const Workload& workload, const Instance& instance, const Json& before, base::WallTime now) {
  Json container = {{"name", container_name(instance)},
                    {"image", instance.pod->containers.empty() ? "" : instance.pod->containers.front().image},
                    {"ready", instance.ready},
                    {"started", instance.has_started && instance.state == State::running},
                    {"restartCount", instance.restarts},
                    {"state", state_of(instance)}};
  if (instance.last_exit && (instance.state == State::running || instance.state == State::waiting)) {
    container["lastState"] = {{"terminated", terminated(instance)}};
  }
  Json conditions = Json::array();
  const std::string_view reason = instance.ready             ? "Ready"
                                  : !instance.reason.empty() ? std::string_view(instance.reason)
                                  : instance.is_leaving()    ? "Stopping"
                                                             : "Starting";
  add_condition(conditions, conditions_of(before), {"Ready", truth(instance.ready), reason, instance.message},
                0, now);

  Json status = {{"phase", phase_of(instance)},
                 {"podIP", "127.0.0.1"},
                 {"conditions", std::move(conditions)},
                 {"containerStatuses", Json::array({std::move(container)})}};
  if (!instance.reason.empty()) {
    status["reason"] = instance.reason;
    status["message"] = instance.message;
  }
  if (instance.created_at != base::WallTime{})
    status["startTime"] = base::format_rfc3339(instance.created_at);
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata", metadata_of(workload, instance, before, now)},
          {"spec", spec_of(instance)},
          {"status", std::move(status)}};
}

}  // namespace weft::control::reconcile
