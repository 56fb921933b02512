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

std::string_view text_in(const Json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get_ref<const std::string&>() : std::string_view();
}

constexpr std::string_view rolled_out = "NewReplicaSetAvailable";
/// Of a status: the template that it is about. A StatefulSet's has it in Kubernetes.
constexpr const char* update_revision = "updateRevision";
/// Of the condition Progressing, as in Kubernetes: when the rollout got on last. Only while one is under way.
constexpr const char* last_update = "lastUpdateTime";

struct Counts {
  int total = 0;
  int ready = 0;
  int available = 0;
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
    counts.available += instance->is_available() ? 1 : 0;
    counts.updated += is_current(workload, *instance) ? 1 : 0;
  }
  return counts;
}

/// The instance that says best why not all are ready: one that fails before one that is merely not ready yet.
const Instance* troubled(const Workload& workload, bool current_only = false) {
  const Instance* found = nullptr;
  for (const auto& instance : workload.instances) {
    if (instance->is_leaving() || instance->reason.empty()) continue;
    if (current_only && !is_current(workload, *instance)) continue;
    if (!found || (found->state == State::running && instance->state != State::running))
      found = instance.get();
  }
  return found;
}

bool is_waiting(const Workload& workload) { return workload.waiting_since.has_value(); }

std::string words_of(const Instance& trouble) { return fmt::format("{}: {}", trouble.name, trouble.message); }

Condition available(const Workload& workload, const Counts& counts) {
  const int wanted = workload.replicas();
  auto words = fmt::format("{} of {} ready", counts.ready, base::counted(wanted, "instance"));
  if (counts.available < counts.ready) {
    words += fmt::format(", {} of them for {} (minReadySeconds)", counts.available,
                         base::format_duration(workload.min_ready()));
  }
  if (wanted == 0) return {"Available", "False", "NotStarted", "it is not started"};
  if (counts.available >= wanted) return {"Available", "True", "MinimumReplicasAvailable", std::move(words)};
  if (!workload.fault.empty()) return {"Available", "False", workload.fault, workload.fault_message};
  if (const auto* instance = troubled(workload))
    return {"Available", "False", instance->reason, words_of(*instance)};
  if (is_waiting(workload))
    return {"Available", "False", to_string(workload.gate.reason), workload.gate.message};
  return {"Available", "False", "MinimumReplicasUnavailable", std::move(words)};
}

/// When the rollout of the present template got on last, by the status before; nothing if none is under way,
/// for it is complete. What fails after that is no rollout, as in Kubernetes.
std::optional<base::WallTime> last_progress(const Workload& workload, const Counts& counts,
                                            const Json& object, base::WallTime now) {
  const auto& before = status_of(object);
  const auto* condition = find_condition(object, "Progressing");
  const int wanted = workload.replicas();
  if (counts.updated == wanted && counts.total == wanted && counts.available == wanted) return {};
  if (!condition || text_in(before, update_revision) != workload.revision) return now;
  if (text_in(*condition, "reason") == rolled_out && counts.updated == counts.total) return {};
  const int old_before = number_in(before, "replicas") - number_in(before, "updatedReplicas");
  if (counts.updated > number_in(before, "updatedReplicas") || counts.total - counts.updated < old_before ||
      counts.available > number_in(before, "availableReplicas"))
    return now;
  // While the mesh was stopped nothing could get on: all of its instances are newer than that.
  if (counts.total == 0) return now;
  auto since = base::parse_rfc3339(text_in(*condition, last_update)).value_or(now);
  for (const auto& instance : workload.instances) {
    if (is_current(workload, *instance)) since = std::max(since, instance->created_at);
  }
  return since;
}

/// Of a rollout that is under way, and got on last at `since`.
Condition rolling(const Workload& workload, const Counts& counts, base::WallTime since, base::WallTime now) {
  const std::chrono::seconds deadline(workload.deployment->spec.progress_deadline_seconds);
  auto words =
      fmt::format("{} of {} up to date", counts.updated, base::counted(workload.replicas(), "instance"));
  const auto* trouble = troubled(workload, true);
  if (now - since >= deadline) {
    words += fmt::format(", no progress for {}", base::format_duration(deadline));
    if (trouble) words += fmt::format("; {}: {}", trouble->reason, words_of(*trouble));
    return {"Progressing", "False", "ProgressDeadlineExceeded", std::move(words)};
  }
  if (!trouble) return {"Progressing", "True", "ReplicaSetUpdated", std::move(words)};
  return {"Progressing", "True", trouble->reason, fmt::format("{}; {}", words, words_of(*trouble))};
}

/// `since`: see last_progress(); taken away where no rollout is under way for another reason.
Condition progressing(const Workload& workload, const Counts& counts, std::optional<base::WallTime>& since,
                      base::WallTime now) {
  const int wanted = workload.replicas();
  if (since && workload.fault.empty() && !workload.stops_after && wanted > 0 && !is_waiting(workload))
    return rolling(workload, counts, *since, now);
  since.reset();
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
  return {"Progressing", "True", rolled_out,
          counts.available >= wanted
              ? "all instances are of the present template and ready"
              : fmt::format("all instances are of the present template; {} of {} ready", counts.ready,
                            base::counted(wanted, "instance"))};
}

}  // namespace

Condition dependencies_ready(const Gate& gate, bool waits) {
  const bool is_final = gate.reason == GateReason::dependency_cycle ||
                        gate.reason == GateReason::dependency_timeout ||
                        gate.reason == GateReason::dependency_failed;
  const auto status = gate.is_open() ? "True" : waits && !is_final ? "Unknown" : "False";
  return {"DependenciesReady", status, to_string(gate.reason), gate.message};
}

bool is_observed(const Workload& workload, const Json& object) {
  return workload.metadata().generation == generation_of(object);
}

std::optional<base::Duration> due_in(const Workload& workload, const Json& status, base::WallTime now) {
  const Json object = {{"status", status}};
  const auto after = [&](std::string_view type, const char* field, base::Duration time) {
    const auto* condition = find_condition(object, type);
    return base::parse_rfc3339(text_in(*condition, field)).value_or(now) + time - now;
  };
  if (workload.deployment) {
    const auto* progress = find_condition(object, "Progressing");
    const bool is_under_way = progress->contains(last_update) && progress->at("status") == "True";
    if (!is_under_way) return {};
    const std::chrono::seconds deadline(workload.deployment->spec.progress_deadline_seconds);
    return after("Progressing", last_update, deadline);
  }
  const auto ttl = workload.job->spec.ttl_seconds_after_finished;
  if (!ttl || !workload.is_over()) return {};
  return after(workload.run.is_complete ? "Complete" : "Failed", "lastTransitionTime",
               std::max<base::Duration>(std::chrono::seconds(*ttl), finished_job_stays));
}

Json deployment_status(const Workload& workload, const Json& object, base::WallTime now) {
  const auto counts = count(workload);
  // What is known of the specification, which may be older than the stored one.
  const auto generation = workload.metadata().generation;
  Json conditions = Json::array();
  const auto& before = conditions_of(object);
  auto since = last_progress(workload, counts, object, now);
  for (const auto& condition : {dependencies_ready(workload.gate, is_waiting(workload)),
                                available(workload, counts), progressing(workload, counts, since, now)}) {
    add_condition(conditions, before, condition, generation, now);
  }
  if (since) conditions.back()[last_update] = base::format_rfc3339_micro(*since);
  return {{"replicas", counts.total},
          {"readyReplicas", counts.ready},
          {"updatedReplicas", counts.updated},
          {"availableReplicas", counts.available},
          {"unavailableReplicas", std::max(0, workload.replicas() - counts.available)},
          {"observedGeneration", generation},
          {update_revision, workload.revision},
          {"conditions", std::move(conditions)}};
}

bool is_own(const Workload& job, const Instance& instance) {
  return instance.owner_uid == job.metadata().uid && instance.revision == job.revision;
}

bool is_active_run(const Instance& instance) {
  return instance.state != State::finished && !instance.is_leaving();
}

namespace {

int count_own(const Workload& job, bool (*is_it)(const Instance&)) {
  return static_cast<int>(std::ranges::count_if(job.instances, [&](const InstancePtr& instance) {
    return is_own(job, *instance) && is_it(*instance);
  }));
}

int succeeded_instances(const Workload& job) {
  return job.run.lost.succeeded + count_own(job, [](const Instance& one) { return one.has_succeeded(); });
}

/// The stored status, if it is about the present template; else null.
const Json& status_of_run(const Workload& job, const Json& object) {
  static const Json nothing;
  const auto& status = status_of(object);
  // One without it was written by a version for which a Job had but one run.
  const bool is_of_another = status.is_object() && status.contains(update_revision) &&
                             text_in(status, update_revision) != job.revision;
  return is_of_another ? nothing : status;
}

}  // namespace

int failed_instances(const Workload& job) {
  return job.run.lost.failed + count_own(job, [](const Instance& one) {
           return one.state == State::finished && !one.has_succeeded();
         });
}

int failed_runs(const Workload& job) {
  int runs = failed_instances(job);
  for (const auto& instance : job.instances) {
    if (is_own(job, *instance)) runs += instance->restarts;
  }
  return runs;
}

bool has_succeeded(const Workload& job) {
  const int succeeded = succeeded_instances(job);
  if (const auto completions = job.job->spec.completions) return succeeded >= *completions;
  return succeeded > 0 && count_own(job, is_active_run) == 0;
}

int wanted_runs(const Workload& job) {
  const auto& spec = job.job->spec;
  if (job.is_over() || spec.suspend) return 0;
  const int succeeded = succeeded_instances(job);
  if (spec.completions) return std::clamp(*spec.completions - succeeded, 0, spec.parallelism);
  // One that has succeeded has seen that nothing is left to do; the others may end.
  return succeeded > 0 ? std::min(count_own(job, is_active_run), spec.parallelism) : spec.parallelism;
}

std::optional<base::Duration> time_left(const Workload& job, base::WallTime now) {
  const auto limit = job.job->spec.active_deadline_seconds;
  if (!limit || !job.run.started_at) return {};
  return *job.run.started_at + std::chrono::seconds(*limit) - now;
}

Json job_status(const Workload& workload, const Json& object, base::WallTime now) {
  const auto& run = workload.run;
  const auto& before = status_of_run(workload, object);
  const auto generation = workload.metadata().generation;
  const Json before_object = {{"status", before}};
  Json conditions = Json::array();
  const auto add = [&](const Condition& condition) {
    add_condition(conditions, conditions_of(before_object), condition, generation, now);
  };
  // A Job that is over has no dependencies any more: what it waited for was there.
  add(workload.is_over() ? Condition{"DependenciesReady", "True", "Satisfied", ""}
                         : dependencies_ready(workload.gate, is_waiting(workload)));
  add({"Complete", truth(run.is_complete), run.is_complete ? "CompletionsReached" : "",
       run.is_complete ? "exit code 0" : ""});
  const auto* trouble = troubled(workload, true);
  if (run.is_failed) {
    add({"Failed", "True", run.reason, run.failure});
  } else if (!workload.fault.empty()) {
    add({"Failed", "False", workload.fault, workload.fault_message});
  } else if (trouble) {
    add({"Failed", "False", trouble->reason, words_of(*trouble)});
  } else {
    add({"Failed", "False", "", ""});
  }
  const bool is_suspended = workload.job->spec.suspend && !workload.is_over();
  if (is_suspended || find_condition(before_object, "Suspended"))
    add({"Suspended", truth(is_suspended), is_suspended ? "JobSuspended" : "JobResumed", ""});

  Json status = {
      {"active", count_own(workload, is_active_run)},
      {"ready", count_own(workload, [](const Instance& one) { return one.ready && !one.is_leaving(); })},
      {"succeeded", succeeded_instances(workload)},
      {"failed", failed_instances(workload)},
      {"observedGeneration", generation},
      {update_revision, workload.revision},
      {"conditions", std::move(conditions)}};
  if (run.started_at) status["startTime"] = base::format_rfc3339(*run.started_at);
  if (run.is_complete) {
    const auto known = text_in(before, "completionTime");
    status["completionTime"] = known.empty() ? base::format_rfc3339(now) : std::string(known);
  }
  return status;
}

void count_gone(Workload& job, const Instance& instance) {
  if (!is_own(job, instance) || instance.state != State::finished || !instance.last_exit) return;
  ++(instance.has_succeeded() ? job.run.lost.succeeded : job.run.lost.failed);
}

void restore_job(Workload& job, const Json& object) {
  const auto is_true = [](const Json* condition) {
    return condition && condition->value("status", "") == "True";
  };
  auto& run = job.run;
  const auto& status = status_of_run(job, object);
  int listed_failures = 0;
  int listed_successes = 0;
  for (const auto& instance : job.instances) {
    if (!is_own(job, *instance)) continue;
    if (!run.started_at || instance->created_at < *run.started_at) run.started_at = instance->created_at;
    if (instance->state == State::finished)
      ++(instance->has_succeeded() ? listed_successes : listed_failures);
  }
  if (!status.is_object()) return;
  const Json before = {{"status", status}};
  const auto* failed = find_condition(before, "Failed");
  run.is_complete = is_true(find_condition(before, "Complete"));
  run.is_failed = is_true(failed);
  if (run.is_failed) {
    run.reason = failed->value("reason", "");
    run.failure = failed->value("message", "");
  }
  // Of a run of which nothing is left (the mesh was stopped, or its machine) another try begins.
  if (const auto started = base::parse_rfc3339(text_in(status, "startTime"));
      started && (run.started_at || job.is_over()))
    run.started_at = started;
  run.lost.failed = std::max(0, number_in(status, "failed") - listed_failures);
  run.lost.succeeded = std::max(0, number_in(status, "succeeded") - listed_successes);
}

}  // namespace weft::control::reconcile
