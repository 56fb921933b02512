// `start`, `stop`, `restart` and `scale`: changes of the Deployments and Jobs that are named, or that stand
// behind a named Service, each waited for.
#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/readiness.h"
#include "cli/service_graph.h"
#include "cli/session.h"
#include "cli/target.h"
#include "model/resource.h"

namespace weft::cli {

using base::Json;
using model::DependencyKind;
using model::Ref;
using runtime::Task;

namespace {

using Words = std::vector<std::string>;

struct Options {
  Words words;
  int replicas = 1;
};

Awaited awaited(const Ref& ref, bool must_serve = false) {
  return {model::find_kind(model::to_string(ref.kind)), ref.ns, ref.name, must_serve};
}

bool is_job(const Ref& ref) { return ref.kind == DependencyKind::job; }

bool is_suspended(const Json& job) { return value_at(job, "/spec/suspend") == Json(true); }

Json suspend_patch(bool suspend) { return {{"spec", {{"suspend", suspend}}}}; }

/// The merge patch that gives a Deployment that is not started its replicas back.
Json start_patch(const Json& deployment) {
  return {{"metadata", {{"annotations", {{std::string(model::annotation::replicas), nullptr}}}}},
          {"spec", {{"replicas", std::max<std::int64_t>(intended_replicas(deployment), 1)}}}};
}

Json stop_patch(const Json& deployment) {
  const auto replicas = std::to_string(intended_replicas(deployment));
  return {{"metadata", {{"annotations", {{std::string(model::annotation::replicas), replicas}}}}},
          {"spec", {{"replicas", 0}}}};
}

/// kubectl's own way to restart: a template that differs only in this annotation. A Job runs once more by it.
Json restart_patch(base::WallTime now) {
  const Json annotations = {{"kubectl.kubernetes.io/restartedAt", base::format_rfc3339_micro(now)}};
  return {{"spec", {{"template", {{"metadata", {{"annotations", annotations}}}}}}}};
}

Json scale_patch(const Json& deployment, int replicas) {
  if (!is_not_started(deployment)) return {{"spec", {{"replicas", replicas}}}};
  const auto text = std::to_string(replicas);
  return {{"metadata", {{"annotations", {{std::string(model::annotation::replicas), text}}}}}};
}

/// What a command works on: what was named, and the Deployments and Jobs that this means, each once.
struct Work {
  std::unique_ptr<Session> session;
  ServiceGraph graph;
  std::vector<Ref> named;
  std::vector<Ref> workloads;
  TimeLimit limit;
  std::vector<std::pair<Ref, Json>> patches;

  const Json& object(const Ref& ref) const { return graph.objects.at(ref); }
};

Result<Work> begin(const Invocation& invocation, const Words& words, Absent absent = Absent::start) {
  auto targets = parse_targets(words, "Service");
  if (!targets) return std::unexpected(std::move(targets.error()));
  std::vector<Ref> named;
  for (const auto& target : *targets) {
    const auto kind = model::dependency_kind(target.kind->kind);
    if (!kind) {
      return failure(Exit::usage,
                     fmt::format("a {} is not started or stopped by itself", target.kind->singular), {},
                     "name a service, or deployment/NAME or job/NAME");
    }
    named.push_back({*kind, invocation.ns, target.name});
  }
  auto session = open_session(invocation, absent);
  if (!session) return std::unexpected(std::move(session.error()));
  auto graph = (*session)->reactor.block_on(load_service_graph((*session)->api));
  if (!graph) return std::unexpected(std::move(graph.error()));
  std::vector<Ref> workloads;
  for (const auto& ref : named) {
    auto found = graph->workloads_of(ref);
    if (!found) return std::unexpected(std::move(found.error()));
    for (const auto& one : *found) {
      if (std::ranges::find(workloads, one) == workloads.end()) workloads.push_back(one);
    }
  }
  return Work{std::move(*session),  std::move(*graph), std::move(named),
              std::move(workloads), *invocation.limit, {}};
}

Task<Result<void>> patch_all(Api& api, std::vector<std::pair<Ref, Json>> patches) {
  for (auto& [ref, patch] : patches) {
    auto patched = co_await api.patch(path_of(ref), std::move(patch));
    if (!patched) co_return std::unexpected(std::move(patched.error()));
  }
  co_return Result<void>();
}

/// Sends the patches, then waits until `refs` are what they ask for, and the named Services too if they are
/// to serve.
Result<void> change(Work& work, const std::vector<Ref>& refs, bool must_serve) {
  std::vector<Awaited> all;
  for (const auto& ref : refs) all.push_back(awaited(ref));
  for (const auto& ref : work.named) {
    if (must_serve && ref.kind == DependencyKind::service) all.push_back(awaited(ref, true));
  }
  auto& [reactor, home, api] = *work.session;
  auto patched = reactor.block_on(patch_all(api, std::move(work.patches)));
  if (!patched || api.is_stopped()) return patched;
  auto done = reactor.block_on(wait_done(reactor, api, std::move(all), work.limit, print_progress));
  if (!done) return std::unexpected(std::move(done.error()));
  return {};
}

/// Says on stdout that what was named is ready, and of Services where they are reached.
Result<void> print_ready(Work& work, const Invocation& invocation) {
  std::vector<Json> objects;
  for (const auto& ref : work.named) {
    auto object = work.session->reactor.block_on(work.session->api.get(path_of(ref)));
    if (!object) return std::unexpected(std::move(object.error()));
    objects.push_back(std::move(*object));
  }
  if (wants_documents(invocation)) {
    print(show_documents(objects, invocation, true));
    return {};
  }
  for (const Json& object : objects) {
    if (invocation.format == Format::name) {
      print(kind_and_name(object) + "\n");
      continue;
    }
    const auto urls = fmt::format("{}", fmt::join(urls_of(object), ", "));
    print(fmt::format("{} is {}{}\n", kind_and_name(object),
                      text_at(object, "/kind") == "Job" ? "complete" : "ready",
                      urls.empty() ? "" : ": " + base::printable(urls)));
  }
  return {};
}

/// "service/web", as in what is printed.
std::string name_of(const Ref& ref) { return awaited(ref).to_string(); }

/// "control-plane start service web", or "weft start job/migrate".
std::string start_command(const Ref& ref) {
  if (ref.kind == DependencyKind::service) return "control-plane start service " + ref.name;
  return "weft start " + name_of(ref);
}

Result<void> start(const Invocation& invocation, const Options& options) {
  if (options.words.empty()) {
    if (auto session = open_session(invocation, Absent::start); !session)
      return std::unexpected(std::move(session.error()));
    return {};
  }
  auto work = begin(invocation, options.words);
  if (!work) return std::unexpected(std::move(work.error()));
  const auto needed = work->graph.with_needed(work->workloads);
  for (const auto& ref : needed) {
    const Json& object = work->object(ref);
    if (is_job(ref) && is_suspended(object)) work->patches.emplace_back(ref, suspend_patch(false));
    if (!is_job(ref) && number_at(object, "/spec/replicas", 1) == 0)
      work->patches.emplace_back(ref, start_patch(object));
  }
  if (auto changed = change(*work, needed, true); !changed) return changed;
  return print_ready(*work, invocation);
}

Result<void> restart(const Invocation& invocation, const Options& options) {
  auto work = begin(invocation, options.words);
  if (!work) return std::unexpected(std::move(work.error()));
  const auto patch = restart_patch(work->session->reactor.clock().wall());
  for (const auto& ref : work->workloads) {
    const Json& object = work->object(ref);
    if (is_job(ref) ? is_suspended(object) : is_not_started(object)) {
      // What was named, if it is but one.
      const auto& told = work->named.size() == 1 ? work->named.front() : ref;
      return failure(Exit::failed,
                     fmt::format("{} {} is not started", awaited(told).kind->singular, told.name), {},
                     "start it: " + start_command(told));
    }
    work->patches.emplace_back(ref, patch);
  }
  if (auto changed = change(*work, work->workloads, true); !changed) return changed;
  return print_ready(*work, invocation);
}

Result<void> scale(const Invocation& invocation, const Options& options) {
  auto work = begin(invocation, options.words);
  if (!work) return std::unexpected(std::move(work.error()));
  bool serves = options.replicas > 0;
  for (const auto& named : work->named) {
    const auto behind = *work->graph.workloads_of(named);
    if (is_job(named)) {
      return failure(Exit::usage, fmt::format("job {} has no replicas", named.name), {},
                     "set its spec.parallelism with `weft apply`");
    }
    if (behind.size() > 1) {
      return failure(Exit::failed, fmt::format("service {} has several Deployments", named.name), {},
                     "name the one you mean: weft scale deployment/NAME --replicas=N");
    }
  }
  for (const auto& ref : work->workloads) {
    serves = serves && !is_not_started(work->object(ref));
    work->patches.emplace_back(ref, scale_patch(work->object(ref), options.replicas));
  }
  if (auto changed = change(*work, work->workloads, serves); !changed) return changed;
  if (serves) return print_ready(*work, invocation);
  for (const auto& ref : work->named) {
    const bool idle = is_not_started(work->object(work->graph.workloads_of(ref)->front()));
    const auto later = fmt::format(", to be started with `{}`", start_command(ref));
    print(fmt::format("{} scaled to {}{}\n", name_of(ref), options.replicas, idle ? later : ""));
  }
  return {};
}

using Body = Result<void> (*)(const Invocation&, const Options&);

Command add_verb(Command parent, Invocation& invocation, const std::string& name,
                 const std::string& description, const std::string& examples, Body body,
                 std::shared_ptr<Options> options, bool needs_name = true) {
  auto command = parent.add(name, description, examples);
  command.option("NAME", options->words, "[service] NAME, or deployment/NAME, job/NAME...",
                 {.required = needs_name});
  command.timeout(invocation, "60s");
  command.ns(invocation);
  command.output(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options, body] { return body(invocation, *options); });
  return command;
}

}  // namespace

Result<void> stop_named(const Invocation& invocation, const std::vector<std::string>& words) {
  auto work = begin(invocation, words, Absent::change);
  if (!work) return std::unexpected(std::move(work.error()));
  for (const auto& ref : work->workloads) {
    const Json& object = work->object(ref);
    if (is_job(ref) && !is_suspended(object)) work->patches.emplace_back(ref, suspend_patch(true));
    if (!is_job(ref) && !is_not_started(object)) work->patches.emplace_back(ref, stop_patch(object));
  }
  if (auto changed = change(*work, work->workloads, false); !changed) return changed;
  for (const auto& ref : work->named) print(fmt::format("{} stopped\n", name_of(ref)));
  return {};
}

void add_start(Command parent, Invocation& invocation) {
  const auto name = parent.name();
  add_verb(parent, invocation, "start",
           "Start a service, Deployment or Job and what it depends on; returns when it is ready, a service "
           "with its address. Without a name, the mesh in the background, with all that is stored",
           fmt::format("{0} start\n{0} start service simple-web-service\n{0} start web --timeout 2m\n"
                       "{0} start deployment/worker",
                       name),
           start, std::make_shared<Options>(), false);
}

void add_restart(Command parent, Invocation& invocation) {
  const auto name = parent.name() == "rollout" ? "weft rollout" : parent.name();
  add_verb(
      parent, invocation, "restart",
      "Replace instances as the Deployment's strategy says, by default each ready before the next stops; "
      "a Job runs once more",
      fmt::format("{0} restart service simple-web-service\n{0} restart job/migrate", name), restart,
      std::make_shared<Options>());
}

void add_scale(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  const auto name = parent.name();
  auto command = add_verb(
      parent, invocation, "scale", "Change how many instances there are; returns when they are ready",
      fmt::format(
          "{0} scale service simple-web-service --replicas=3\n{0} scale deployment/worker --replicas=2",
          name),
      scale, options);
  command.option("--replicas", options->replicas, "How many", 0, 10'000, {.required = true});
}

}  // namespace weft::cli
