// `start`, `stop`, `restart` and `scale`: changes of one service's Deployments, each waited for.
#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/readiness.h"
#include "cli/service_graph.h"
#include "cli/session.h"
#include "model/resource.h"

namespace weft::cli {

using base::Json;
using model::Ref;
using runtime::Task;

namespace {

struct Options {
  std::string name;
  int replicas = 1;
};

Awaited awaited(const Ref& ref) { return {model::find_kind(model::to_string(ref.kind)), ref.ns, ref.name}; }

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

/// kubectl's own way to restart: a template that differs only in this annotation.
Json restart_patch(base::WallTime now) {
  const Json annotations = {{"kubectl.kubernetes.io/restartedAt", base::format_rfc3339_micro(now)}};
  return {{"spec", {{"template", {{"metadata", {{"annotations", annotations}}}}}}}};
}

Json scale_patch(const Json& deployment, int replicas) {
  if (!is_not_started(deployment)) return {{"spec", {{"replicas", replicas}}}};
  const auto text = std::to_string(replicas);
  return {{"metadata", {{"annotations", {{std::string(model::annotation::replicas), text}}}}}};
}

/// What a command works on: the session, and the Deployments behind the service.
struct Work {
  std::unique_ptr<Session> session;
  ServiceGraph graph;
  std::vector<Ref> deployments;
  TimeLimit limit;
};

Result<Work> begin(const Invocation& invocation, const Options& options, Absent absent = Absent::start) {
  auto session = open_session(invocation, absent);
  if (!session) return std::unexpected(std::move(session.error()));
  auto graph = (*session)->reactor.block_on(load_service_graph((*session)->api));
  if (!graph) return std::unexpected(std::move(graph.error()));
  auto deployments = graph->deployments_of(invocation.ns, options.name);
  if (!deployments) return std::unexpected(std::move(deployments.error()));
  return Work{std::move(*session), std::move(*graph), std::move(*deployments), *invocation.limit};
}

Task<Result<void>> patch_all(Api& api, std::vector<std::pair<Ref, Json>> patches) {
  for (auto& [ref, patch] : patches) {
    auto patched = co_await api.patch(path_of(ref), std::move(patch));
    if (!patched) co_return std::unexpected(std::move(patched.error()));
  }
  co_return Result<void>();
}

/// Patches, then waits until `refs` (and what else is given) are what the patches ask for.
Result<void> change(Work& work, std::vector<std::pair<Ref, Json>> patches, const std::vector<Ref>& refs,
                    const std::vector<Awaited>& also = {}) {
  std::vector<Awaited> all;
  for (const auto& ref : refs) all.push_back(awaited(ref));
  all.insert(all.end(), also.begin(), also.end());
  auto& [reactor, home, api] = *work.session;
  auto patched = reactor.block_on(patch_all(api, std::move(patches)));
  if (!patched || api.is_stopped()) return patched;
  auto done = reactor.block_on(wait_done(reactor, api, std::move(all), work.limit, print_progress));
  if (!done) return std::unexpected(std::move(done.error()));
  return {};
}

/// Says where a service is reached, on stdout.
Result<void> print_addresses(Work& work, const Invocation& invocation, const std::string& name) {
  const auto* kind = model::find_kind("Service");
  auto service = work.session->reactor.block_on(work.session->api.get(rest_path(*kind, invocation.ns, name)));
  if (!service) return std::unexpected(std::move(service.error()));
  if (wants_documents(invocation)) {
    print(show_document(*service, invocation));
    return {};
  }
  print(fmt::format("service/{} is ready: {}\n", name,
                    base::printable(fmt::format("{}", fmt::join(urls_of(*service), ", ")))));
  return {};
}

Awaited service_of(const Invocation& invocation, const Options& options) {
  return {model::find_kind("Service"), invocation.ns, options.name, true};
}

Result<void> start(const Invocation& invocation, const Options& options) {
  auto work = begin(invocation, options);
  if (!work) return std::unexpected(std::move(work.error()));
  const auto needed = work->graph.with_needed(work->deployments);
  std::vector<std::pair<Ref, Json>> patches;
  for (const auto& ref : needed) {
    const Json& object = work->graph.objects.at(ref);
    if (number_at(object, "/spec/replicas", 1) == 0) patches.emplace_back(ref, start_patch(object));
  }
  if (auto changed = change(*work, std::move(patches), needed, {service_of(invocation, options)}); !changed) {
    return changed;
  }
  return print_addresses(*work, invocation, options.name);
}

Result<void> stop(const Invocation& invocation, const Options& options) {
  auto work = begin(invocation, options, Absent::change);
  if (!work) return std::unexpected(std::move(work.error()));
  std::vector<std::pair<Ref, Json>> patches;
  for (const auto& ref : work->deployments) {
    const Json& deployment = work->graph.objects.at(ref);
    if (!is_not_started(deployment)) patches.emplace_back(ref, stop_patch(deployment));
  }
  if (auto changed = change(*work, std::move(patches), work->deployments); !changed) return changed;
  print(fmt::format("service/{} stopped\n", options.name));
  return {};
}

Result<void> restart(const Invocation& invocation, const Options& options) {
  auto work = begin(invocation, options);
  if (!work) return std::unexpected(std::move(work.error()));
  std::vector<std::pair<Ref, Json>> patches;
  for (const auto& ref : work->deployments) {
    if (is_not_started(work->graph.objects.at(ref))) {
      return failure(Exit::failed, fmt::format("service {} is not started", options.name), {},
                     fmt::format("start it: control-plane start service {}", options.name));
    }
    patches.emplace_back(ref, restart_patch(work->session->reactor.clock().wall()));
  }
  auto changed = change(*work, std::move(patches), work->deployments, {service_of(invocation, options)});
  if (!changed) return changed;
  return print_addresses(*work, invocation, options.name);
}

Result<void> scale(const Invocation& invocation, const Options& options) {
  auto work = begin(invocation, options);
  if (!work) return std::unexpected(std::move(work.error()));
  if (work->deployments.size() > 1) {
    return failure(Exit::failed, fmt::format("service {} has several Deployments", options.name), {},
                   "set the replicas of the one you mean with `weft apply`");
  }
  const Ref ref = work->deployments.front();
  const Json& deployment = work->graph.objects.at(ref);
  const bool idle = is_not_started(deployment);
  const bool serves = !idle && options.replicas > 0;
  std::vector<Awaited> also;
  if (serves) also.push_back(service_of(invocation, options));
  if (auto changed =
          change(*work, {{ref, scale_patch(deployment, options.replicas)}}, work->deployments, also);
      !changed) {
    return changed;
  }
  if (serves) return print_addresses(*work, invocation, options.name);
  const std::string later = ", to be started with `control-plane start service " + options.name + "`";
  print(fmt::format("service/{} scaled to {}{}\n", options.name, options.replicas, idle ? later : ""));
  return {};
}

using Body = Result<void> (*)(const Invocation&, const Options&);

struct Verb {
  const char* name;
  const char* description;
  const char* examples;
  Body body;
};

Command add_verb(Command parent, Invocation& invocation, const Verb& verb, std::shared_ptr<Options> options) {
  auto command = parent.add("service", verb.description, verb.examples);
  command.option("NAME", options->name, "Name of the service", {.required = true});
  command.timeout(invocation, "60s");
  command.ns(invocation);
  command.output(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options, body = verb.body] { return body(invocation, *options); });
  return command;
}

Command add_verb_group(Command parent, const Verb& verb) {
  auto group = parent.add(verb.name, verb.description, verb.examples);
  group.needs_subcommand();
  return group;
}

}  // namespace

void add_service_start(Command parent, Invocation& invocation) {
  static const Verb verb{"service",
                         "Start a service and what it depends on; returns when it is ready, with its address",
                         "control-plane start service simple-web-service\n"
                         "control-plane start service web --timeout 2m",
                         start};
  add_verb(parent, invocation, verb, std::make_shared<Options>());
}

void add_service_stop(Command parent, Invocation& invocation) {
  static const Verb verb{"service", "Stop a service's instances; what is stored about it stays",
                         "control-plane stop service simple-web-service", stop};
  add_verb(parent, invocation, verb, std::make_shared<Options>());
}

void add_service_restart(Command parent, Invocation& invocation) {
  static const Verb verb{
      "restart", "Replace a service's instances one after the other, each ready before the next stops",
      "control-plane restart service simple-web-service", restart};
  add_verb(add_verb_group(parent, verb), invocation, verb, std::make_shared<Options>());
}

void add_service_scale(Command parent, Invocation& invocation) {
  static const Verb verb{"scale", "Change how many instances a service has; returns when they are ready",
                         "control-plane scale service simple-web-service --replicas=3", scale};
  auto options = std::make_shared<Options>();
  auto command = add_verb(add_verb_group(parent, verb), invocation, verb, options);
  command.option("--replicas", options->replicas, "How many", 0, 10'000, {.required = true});
}

}  // namespace weft::cli
