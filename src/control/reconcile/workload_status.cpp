#include "control/reconcile/workload_status.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/counted.h"

namespace weft::control::reconcile {
namespace {

using base::Json;

int number_in(const Json& status, const char* name) {
  if (!status.is_object()) return 0;
  const auto at = status.find(name);
  return at != status.end() && at->is_number_integer() ? at->get<int>() : 0;
}

std::int64_t generation_of(const Json& object) {
  const auto metadata = object.find("metadata");
  return metadata == object.end() ? 0 : metadata->value("generation", std::int64_t{0});
}

struct Counts {
  int total = 0;
  int ready = 0;
  int updated = 0;
};

Counts count(const Workload& workload) {
  Counts counts;
  for (const auto& instance : workload.instances) {
    if (instance->is_leaving()) {
      counts.total += instance->has_process ? 1 : 0;
      continue;
    }
    ++counts.total;
    counts.ready += instance->ready ? 1 : 0;
    counts.updated += is_current(workload, *instance) ? 1 : 0;
  }
  return counts;
}

/// The instance that says best why not all are ready: one that fails before one that is merely not ready yet.
const Instance* troubled(const Workload& workload) {
  const Instance* found = nullptr;
  for (const auto& instance : workload.instances) {
    if (instance->is_leaving() || instance->reason.empty()) continue;
    if (!found || (found->state == State::running && instance->state != State::running))
      found = instance.get();
  }
  return found;
}

bool is_waiting(const Workload& workload) { return workload.waiting_since.has_value(); }

Condition available(const Workload& workload, const Counts& counts) {
  const int wanted = workload.replicas();
  auto words = fmt::format("{} of {} ready", counts.ready, base::counted(wanted, "instance"));
  if (wanted == 0) return {"Available", "False", "NotStarted", "it is not started"};
  if (counts.ready >= wanted) return {"Available", "True", "MinimumReplicasAvailable", std::move(words)};
  if (!workload.fault.empty()) return {"Available", "False", workload.fault, workload.fault_message};
  if (const auto* instance = troubled(workload)) {
    return {"Available", "False", instance->reason, fmt::format("{}: {}", instance->name, instance->message)};
  }
  if (is_waiting(workload))
    return {"Available", "False", to_string(workload.gate.reason), workload.gate.message};
  return {"Available", "False", "MinimumReplicasUnavailable", std::move(words)};
}

Condition progressing(const Workload& workload, const Counts& counts) {
  const int wanted = workload.replicas();
  if (!workload.fault.empty()) return {"Progressing", "False", workload.fault, workload.fault_message};
  if (workload.stops_after) {
    return {"Progressing", "True", "WaitingForDependents",
            fmt::format("{} stops first, for it depends on this", workload.stops_after->to_string())};
  }
  if (wanted == 0) {
    return {"Progressing", truth(counts.total > 0), counts.total > 0 ? "Stopping" : "NotStarted",
            fmt::format("{} still to stop", counts.total)};
  }
  if (is_waiting(workload))
    return {"Progressing", "False", to_string(workload.gate.reason), workload.gate.message};
  if (counts.updated == wanted && counts.total == wanted && counts.ready == wanted) {
    return {"Progressing", "True", "NewReplicaSetAvailable",
            "all instances are of the present template and ready"};
  }
  return {"Progressing", "True", "ReplicaSetUpdated",
          fmt::format("{} of {} up to date", counts.updated, base::counted(wanted, "instance"))};
}

}  // namespace

Condition dependencies_ready(const Gate& gate, bool waits) {
  const bool is_final = gate.reason == GateReason::dependency_cycle ||
                        gate.reason == GateReason::dependency_timeout ||
                        gate.reason == GateReason::dependency_failed;
  const auto status = gate.is_open() ? "True" : waits && !is_final ? "Unknown" : "False";
  return {"DependenciesReady", status, to_string(gate.reason), gate.message};
}

Json deployment_status(const Workload& workload, const Json& object, base::WallTime now) {
  const auto counts = count(workload);
  // What is known of the specification, which may be older than the stored one.
  const auto generation = workload.metadata().generation;
  Json conditions = Json::array();
  const auto& before = conditions_of(object);
  for (const auto& condition : {dependencies_ready(workload.gate, is_waiting(workload)),
                                available(workload, counts), progressing(workload, counts)}) {
    add_condition(conditions, before, condition, generation, now);
  }
  return {{"replicas", counts.total},
          {"readyReplicas", counts.ready},
          {"updatedReplicas", counts.updated},
          {"availableReplicas", counts.ready},
          {"unavailableReplicas", std::max(0, workload.replicas() - counts.ready)},
          {"observedGeneration", generation},
          {"conditions", std::move(conditions)}};
}

bool is_own(const Workload& job, const Instance& instance) {
  return instance.owner_uid == job.metadata().uid;
}

int failed_instances(const Workload& job) {
  return job.lost.failed +
         static_cast<int>(std::ranges::count_if(job.instances, [&](const InstancePtr& instance) {
           return is_own(job, *instance) && instance->state == State::finished && !instance->has_succeeded();
         }));
}

int failed_runs(const Workload& job) {
  int runs = failed_instances(job);
  for (const auto& instance : job.instances) {
    if (is_own(job, *instance)) runs += instance->restarts;
  }
  return runs;
}

bool has_succeeded(const Workload& job) {
  return job.lost.succeeded > 0 || std::ranges::any_of(job.instances, [&](const InstancePtr& instance) {
           return is_own(job, *instance) && instance->has_succeeded();
         });
}

Json job_status(const Workload& workload, const Json& object, base::WallTime now) {
  const auto& before = status_of(object);
  const auto generation = generation_of(object);
  const auto active = std::ranges::count_if(workload.instances, [&](const InstancePtr& instance) {
    return is_own(workload, *instance) && instance->state != State::finished && !instance->is_leaving();
  });
  Json conditions = Json::array();
  const auto add = [&](const Condition& condition) {
    add_condition(conditions, conditions_of(object), condition, generation, now);
  };
  // A Job that is over has no dependencies any more: what it waited for was there.
  add(workload.is_over() ? Condition{"DependenciesReady", "True", "Satisfied", ""}
                         : dependencies_ready(workload.gate, is_waiting(workload)));
  add({"Complete", truth(workload.is_complete), workload.is_complete ? "CompletionsReached" : "",
       workload.is_complete ? "exit code 0" : ""});
  const auto* trouble = troubled(workload);
  if (workload.is_failed) {
    add({"Failed", "True", "BackoffLimitExceeded", workload.failure});
  } else if (!workload.fault.empty()) {
    add({"Failed", "False", workload.fault, workload.fault_message});
  } else if (trouble) {
    add({"Failed", "False", trouble->reason, fmt::format("{}: {}", trouble->name, trouble->message)});
  } else {
    add({"Failed", "False", "", ""});
  }

  Json status = {{"active", active},
                 {"succeeded", workload.is_complete ? 1 : 0},
                 {"failed", failed_instances(workload)},
                 {"observedGeneration", generation},
                 {"conditions", std::move(conditions)}};
  const auto keep_time = [&](const char* name, bool happened) {
    if (before.is_object() && before.contains(name)) {
      status[name] = before.at(name);
    } else if (happened) {
      status[name] = base::format_rfc3339(now);
    }
  };
  keep_time("startTime", active > 0 || workload.is_over());
  keep_time("completionTime", workload.is_complete);
  return status;
}

void restore_job(Workload& job, const Json& object) {
  const auto is_true = [](const Json* condition) {
    return condition && condition->value("status", "") == "True";
  };
  const auto* failed = find_condition(object, "Failed");
  job.is_complete = is_true(find_condition(object, "Complete"));
  job.is_failed = is_true(failed);
  if (job.is_failed) job.failure = failed->value("message", "");
  const auto& status = status_of(object);
  int listed_failures = 0;
  int listed_successes = 0;
  for (const auto& instance : job.instances) {
    if (!is_own(job, *instance) || instance->state != State::finished) continue;
    ++(instance->has_succeeded() ? listed_successes : listed_failures);
  }
  job.lost.failed = std::max(0, number_in(status, "failed") - listed_failures);
  job.lost.succeeded = std::max(0, number_in(status, "succeeded") - listed_successes);
}

}  // namespace weft::control::reconcile
