// Waiting for resources by looking at them again and again: it survives a control plane that is replaced
// meanwhile.
#include "cli/readiness.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/counted.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "model/decode.h"
#include "model/resource.h"

namespace weft::cli {

using base::Json;
using runtime::Task;

namespace {

constexpr auto first_pause = std::chrono::milliseconds(8);
constexpr auto longest_pause = std::chrono::milliseconds(200);
/// From so many objects of one kind on, they are listed.
constexpr std::size_t list_from = 4;
constexpr int log_lines = 10;

/// Something that crashes is given so long to come up after all, as one that waits for its database by
/// crashing does; so is an address that another Service may be giving back.
constexpr auto crash_patience = std::chrono::seconds(3);

/// Reasons that only the user can mend.
constexpr std::array<std::string_view, 8> stuck_reasons = {
    "ImageNotFound",        "ImageNotExecutable", "DependencyCycle",  "DependencyFailed",
    "BackoffLimitExceeded", "ProviderNotFound",   "DeadlineExceeded", deadline_exceeded};

bool is_stuck(std::string_view reason) {
  return std::ranges::find(stuck_reasons, reason) != stuck_reasons.end();
}

std::string words_of(const Condition& condition) {
  return condition.message.empty() ? condition.reason : condition.reason + ": " + condition.message;
}

Progress done(std::string text) { return {.done = true, .text = std::move(text)}; }
Progress waiting(std::string text) { return {.text = std::move(text)}; }
Progress stuck(std::string reason, std::string text) {
  return {.stuck = true, .reason = std::move(reason), .text = std::move(text)};
}

/// Not done, for the reason that the conditions of these types give, the first that is not true.
Progress waits(const Json& object, std::initializer_list<std::string_view> types, std::string otherwise) {
  for (const auto type : types) {
    const auto condition = condition_of(object, type);
    if (condition.status.empty() || condition.is_true() || condition.reason.empty()) continue;
    if (is_stuck(condition.reason)) return stuck(condition.reason, words_of(condition));
    return {.crashes = condition.reason == "AddressUnavailable", .text = words_of(condition)};
  }
  return waiting(std::move(otherwise));
}

/// Whether new instances of a Deployment fail while old ones run beside them, which they would not with
/// Recreate.
bool may_be_in_the_way(const Json& deployment) {
  return text_at(deployment, "/spec/strategy/type") != "Recreate" &&
         number_at(deployment, "/status/replicas") > number_at(deployment, "/status/updatedReplicas");
}

/// Of a Deployment that has not all instances that it should have, by the condition that says why.
Progress not_rolled_out(const Json& deployment, const Condition& why, std::string text, std::string more) {
  Progress progress = waiting(std::move(text));
  const bool fails = !why.message.empty() && why.reason != "ReplicaSetUpdated";
  if (!fails) return progress;
  progress.reason = why.reason;
  progress.crashes = why.reason == "CrashLoopBackOff";
  progress.stuck = is_stuck(why.reason);
  // These two say no more than the counts do.
  if (why.reason != "MinimumReplicasUnavailable" && why.reason != "NewReplicaSetAvailable")
    progress.text = std::move(more);
  if (may_be_in_the_way(deployment) && why.reason != "ImageNotFound")
    progress.mend =
        "if a new instance cannot run beside an old one (a lock, a port), set "
        "`strategy: {type: Recreate}` in the Deployment";
  return progress;
}

Progress progress_of_deployment(const Json& deployment) {
  const auto wanted = number_at(deployment, "/spec/replicas", 1);
  const auto ready = number_at(deployment, "/status/readyReplicas");
  const auto available = number_at(deployment, "/status/availableReplicas");
  const auto updated = number_at(deployment, "/status/updatedReplicas");
  const auto total = number_at(deployment, "/status/replicas");
  const std::string counts = fmt::format("{} of {} ready", ready, wanted);
  if (available == wanted && updated == wanted && total == wanted)
    return done(wanted == 0 ? "stopped" : counts);
  if (wanted == 0) return waiting(fmt::format("{} still to stop", total));
  auto progress = waits(deployment, {"DependenciesReady"}, counts);
  if (progress.text != counts) return progress;
  const auto rollout = condition_of(deployment, "Progressing");
  if (rollout.reason == deadline_exceeded || available >= wanted) {
    auto text = fmt::format("{} of {} updated", updated, wanted);
    if (total > updated) text += fmt::format(", {} still to replace", total - updated);
    return not_rolled_out(deployment, rollout, std::move(text), words_of(rollout));
  }
  const auto why = condition_of(deployment, "Available");
  if (ready >= wanted) return waiting(why.message);
  return not_rolled_out(deployment, why, counts, fmt::format("{}, {}", counts, words_of(why)));
}

Progress progress_of_job(const Json& job) {
  if (condition_of(job, "Complete").is_true()) return done("complete");
  if (const auto failed = condition_of(job, "Failed"); failed.is_true())
    return stuck(failed.reason, "failed, " + words_of(failed));
  const auto active = number_at(job, "/status/active");
  if (value_at(job, "/spec/suspend") == Json(true))
    return active == 0 ? done("stopped") : waiting(fmt::format("{} still to stop", active));
  return waits(job, {"DependenciesReady", "Failed"}, active > 0 ? "runs" : "waits");
}

/// Whether it is called where it asks to be: an annotation that changes makes no new generation.
bool has_local_ports(const Json& object) {
  const auto service = model::decode_as<model::Service>(object);
  if (!service) return true;
  const auto& addresses = value_at(object, "/status/addresses");
  return std::ranges::all_of(service->spec.ports, [&addresses](const model::ServicePort& port) {
    return port.local_port == 0 || std::ranges::any_of(addresses, [&port](const Json& address) {
             return number_at(address, "/port") == port.port &&
                    text_at(address, "/address").ends_with(fmt::format(":{}", port.local_port));
           });
  });
}

Progress progress_of_service(const Json& service, bool must_serve) {
  const auto ready = condition_of(service, "Ready");
  const auto count = number_at(service, "/status/endpoints/ready");
  const auto total = number_at(service, "/status/endpoints/total");
  if (ready.is_true() && count >= total && has_local_ports(service)) {
    return done(fmt::format("ready at {}", fmt::join(urls_of(service), ", ")));
  }
  if (ready.reason == "NotStarted" && !must_serve) return done("not started");
  auto progress = waits(service, {"DependenciesReady", "Ready"},
                        fmt::format("{} of {} ready", count, base::counted(total, "endpoint")));
  progress.secondhand = ready.reason != "NoMatchingWorkload" && ready.reason != "TargetPortMismatch" &&
                        !progress.stuck && !progress.crashes;
  return progress;
}

/// Of what is done once that condition is True.
Progress progress_of_condition(const Json& object, std::string_view type, std::string words) {
  const auto condition = condition_of(object, type);
  if (condition.is_true() && is_observed(object)) return done(std::move(words));
  return waiting(words_of(condition));
}

}  // namespace

Progress progress_of(const Json& object, bool must_serve) {
  const std::string kind = text_at(object, "/kind");
  // What is said of a specification that was is said of nothing that is asked for here.
  if (!is_observed(object)) return waiting("not looked at yet");
  if (kind == "Deployment") return progress_of_deployment(object);
  if (kind == "Job") return progress_of_job(object);
  if (kind == "Service") return progress_of_service(object, must_serve);
  if (kind == "ExternalService") return progress_of_condition(object, "Ready", "ready");
  if (kind == "TrafficPolicy") return progress_of_condition(object, "Accepted", "accepted");
  if (kind == "HTTPRoute" && condition_of(object, "Accepted").is_true())
    return progress_of_condition(object, "ResolvedRefs", "accepted");
  if (kind == "HTTPRoute") return progress_of_condition(object, "Accepted", "accepted");
  return done("exists");
}

Task<Result<std::vector<Json>>> fetch_all(Api& api, std::vector<Awaited> awaited) {
  std::map<std::pair<const model::Kind*, std::string>, std::size_t> counts;
  for (const auto& one : awaited) ++counts[{one.kind, one.ns}];
  std::map<std::tuple<const model::Kind*, std::string, std::string>, Json> known;
  for (const auto& [group, count] : counts) {
    if (count < list_from) continue;
    auto list = co_await api.list(rest_path(*group.first, group.second));
    if (!list) co_return std::unexpected(std::move(list.error()));
    for (Json& item : *list) {
      auto name = name_of(item);  // before the assignment, whose right side is evaluated (and moved) first
      known[{group.first, group.second, std::move(name)}] = std::move(item);
    }
  }
  std::vector<Json> objects;
  for (const auto& one : awaited) {
    if (counts[{one.kind, one.ns}] >= list_from) {
      objects.push_back(known[{one.kind, one.ns, one.name}]);  // which may be awaited twice
      continue;
    }
    auto reply = co_await api.call(message::Method::get, rest_path(*one.kind, one.ns, one.name));
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    if (!reply->ok() && reply->status != 404) co_return std::unexpected(failure_of(*reply));
    objects.push_back(reply->ok() ? std::move(reply->body) : Json());
  }
  co_return objects;
}

Task<std::string> failing_log(Api& api, Awaited awaited) {
  const auto* pods = model::find_kind("Pod");
  auto target = co_await api.get(rest_path(*awaited.kind, awaited.ns, awaited.name));
  auto list = co_await api.list(rest_path(*pods, awaited.ns));
  if (!target || !list) co_return "";
  for (const Json& pod : *list) {
    if (!is_instance_of(pod, *target)) continue;
    if (condition_of(pod, "Ready").is_true() || text_at(pod, "/status/phase") == "Succeeded") continue;
    std::string text = fmt::format("{} ({})", name_of(pod), pod_state(pod));
    for (const char* state : {"waiting", "terminated"}) {
      const auto message = text_at(pod, fmt::format("/status/containerStatuses/0/state/{}/message", state));
      if (!message.empty()) text += ": " + message;
    }
    const auto ready = condition_of(pod, "Ready");
    if (ready.reason == "NotReady" && !ready.message.empty()) text += ": " + ready.message;
    std::string log;
    auto on_bytes = [&log](std::string_view bytes) { log += bytes; };
    const std::string path = with_query(rest_path(*pods, awaited.ns, name_of(pod), "log"),
                                        {{"tailLines", std::to_string(log_lines)}});
    (void)co_await api.stream(message::Method::get, path, on_bytes);
    while (log.ends_with('\n')) log.pop_back();
    if (log.empty()) co_return text + "; it has written no log";
    co_return text + "; its last log lines:\n" + log;
  }
  co_return "";
}

namespace {

Task<Failure> failure_for(Api& api, Awaited awaited, Progress progress, TimeLimit limit, std::string word) {
  Failure failure;
  failure.exit = progress.stuck ? Exit::failed : Exit::timeout;
  failure.what = progress.stuck ? fmt::format("{}: {}", awaited.to_string(), progress.text)
                                : fmt::format("{} is not {} after {}: {}", awaited.to_string(), word,
                                              base::format_duration(limit.total), progress.text);
  failure.where = co_await failing_log(api, awaited);
  if (progress.reason == "ImageNotFound") {
    failure.mend =
        "put the image there, or correct `image:` and apply it again (what `create` has made: delete and "
        "create "
        "it again)";
    co_return failure;
  }
  failure.mend = fmt::format("`weft describe {} {}{}` shows all about it", awaited.kind->singular,
                             awaited.name, awaited.ns == "default" ? "" : " -n " + awaited.ns);
  if (!progress.mend.empty()) failure.mend = fmt::format("{}; {}", progress.mend, failure.mend);
  co_return failure;
}

}  // namespace

Goal readiness() {
  return {[](const Awaited& awaited, const Json& object) {
            return object.is_null() ? waiting("it does not exist") : progress_of(object, awaited.must_serve);
          },
          "ready"};
}

Task<Result<std::vector<Json>>> wait_done(runtime::Reactor& reactor, Api& api, std::vector<Awaited> awaited,
                                          TimeLimit limit, OnProgress on_progress, Goal goal) {
  const auto start = reactor.clock().now();
  std::vector<std::string> told(awaited.size());
  std::vector<std::optional<base::MonoTime>> crashes_since(awaited.size());
  for (;;) {
    auto objects = co_await fetch_all(api, awaited);
    if (!objects) co_return std::unexpected(std::move(objects.error()));
    std::optional<std::pair<std::size_t, Progress>> missing;
    for (std::size_t i = 0; i < awaited.size(); ++i) {
      auto progress = goal.look(awaited[i], (*objects)[i]);
      if (progress.text != told[i]) on_progress(awaited[i], progress);
      told[i] = progress.text;
      if (progress.crashes) {
        if (!crashes_since[i]) crashes_since[i] = reactor.clock().now();
        progress.stuck = reactor.clock().now() - *crashes_since[i] > crash_patience;
      }
      // What is stuck is the better reason than what waits, perhaps for that very thing.
      if (!progress.done && (!missing || (progress.stuck && !missing->second.stuck)))
        missing.emplace(i, progress);
    }
    if (!missing) co_return std::move(*objects);
    const auto waited = reactor.clock().now() - start;
    if (missing->second.stuck || reactor.clock().now() >= limit.end) {
      co_return std::unexpected(
          co_await failure_for(api, awaited[missing->first], missing->second, limit, goal.word));
    }
    if (api.is_stopped()) {
      co_return failure(Exit::unavailable, fmt::format("{} is not {}, and nothing becomes of it meanwhile",
                                                       awaited[missing->first].to_string(), goal.word));
    }
    co_await reactor.sleep(std::clamp<base::Duration>(waited / 16, first_pause, longest_pause));
  }
}

void print_progress(const Awaited& awaited, const Progress& progress) {
  if (progress.secondhand) return;
  tell(fmt::format("  {}: {}\n", awaited.to_string(), base::printable(progress.text)));
}

}  // namespace weft::cli
