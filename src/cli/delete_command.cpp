// `delete`: takes resources away, and with --wait returns when their instances are gone.
#include <fmt/format.h>

#include "base/counted.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/readiness.h"
#include "cli/service_graph.h"
#include "cli/session.h"
#include "cli/target.h"

namespace weft::cli {

using base::Json;
using message::Method;
using runtime::Task;

namespace {

struct Options {
  std::vector<std::string> words;
  std::vector<std::string> files;
  bool ignore_missing = false;
};

/// Deletes in the order given; the first that fails ends it.
Task<Result<void>> delete_all(Api& api, std::vector<Awaited> targets, bool ignore_missing) {
  for (const auto& target : targets) {
    auto reply = co_await api.call(Method::delete_, rest_path(*target.kind, target.ns, target.name));
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    if (reply->status == 404 && ignore_missing) continue;
    if (!reply->ok()) co_return std::unexpected(failure_of(*reply));
    print(fmt::format("{} deleted\n", target.to_string()));
  }
  co_return Result<void>();
}

bool belongs_to(const Json& pod, const Awaited& workload) {
  const Json& labels = value_at(pod, "/metadata/labels");
  return labels.is_object() && namespace_of(pod) == workload.ns &&
         labels.value("weft.dev/kind", "") == workload.kind->kind &&
         labels.value("weft.dev/workload", "") == workload.name;
}

/// Waits until no instance of the deleted workloads is left.
Task<Result<void>> wait_gone(runtime::Reactor& reactor, Api& api, std::vector<Awaited> targets,
                             TimeLimit limit) {
  constexpr auto pause = std::chrono::milliseconds(20);
  for (;;) {
    auto pods = co_await api.list(rest_path(*model::find_kind("Pod"), ""));
    if (!pods) co_return std::unexpected(std::move(pods.error()));
    const auto left = std::ranges::count_if(*pods, [&targets](const Json& pod) {
      return std::ranges::any_of(targets, [&pod](const Awaited& target) { return belongs_to(pod, target); });
    });
    if (left == 0) co_return Result<void>();
    if (reactor.clock().now() >= limit.end) {
      co_return failure(Exit::timeout,
                        fmt::format("{} {} not ended after {}", base::counted(left, "instance"),
                                    left == 1 ? "has" : "have", base::format_duration(limit.total)));
    }
    co_await reactor.sleep(pause);
  }
}

Result<void> carry_out(Session& session, std::vector<Awaited> targets, const Invocation& invocation,
                       const Options& options) {
  auto deleted = session.reactor.block_on(delete_all(session.api, targets, options.ignore_missing));
  if (!deleted) return deleted;
  return session.reactor.block_on(
      wait_gone(session.reactor, session.api, std::move(targets), *invocation.limit));
}

Result<std::vector<Awaited>> targets_of(const Invocation& invocation, const Options& options) {
  std::vector<Awaited> targets;
  if (!options.files.empty()) {
    auto objects = load_valid(options.files, invocation, "nothing was deleted");
    if (!objects) return std::unexpected(std::move(objects.error()));
    // What was applied first goes last.
    for (auto object = objects->rbegin(); object != objects->rend(); ++object) {
      const auto& metadata = model::metadata_of(object->resource);
      targets.push_back({model::find_kind(model::kind_of(object->resource)), metadata.ns, metadata.name});
    }
    return targets;
  }
  auto named = parse_targets(options.words);
  if (!named) return std::unexpected(std::move(named.error()));
  for (const auto& target : *named) {
    if (target.name.empty()) {
      return failure(Exit::usage, fmt::format("which of the {}?", target.kind->plural), {},
                     fmt::format("name them: weft delete {} NAME...", target.kind->singular));
    }
    targets.push_back({target.kind, target.kind->namespaced ? invocation.ns : "", target.name});
  }
  if (targets.empty()) {
    return failure(Exit::usage, "nothing to delete was named", {}, "weft delete KIND NAME..., or -f FILE");
  }
  return targets;
}

Result<void> run(const Invocation& invocation, const Options& options) {
  auto targets = targets_of(invocation, options);
  if (!targets) return std::unexpected(std::move(targets.error()));
  auto session = open_session(invocation, Absent::change);
  if (!session) return std::unexpected(std::move(session.error()));
  return carry_out(**session, std::move(*targets), invocation, options);
}

/// A service with the Deployments that no other service selects.
Result<void> run_service(const Invocation& invocation, const Options& options) {
  auto session = open_session(invocation, Absent::change);
  if (!session) return std::unexpected(std::move(session.error()));
  auto graph = (*session)->reactor.block_on(load_service_graph((*session)->api));
  if (!graph) return std::unexpected(std::move(graph.error()));
  std::vector<Awaited> targets;
  for (const auto& name : options.words) {
    auto deployments = graph->deployments_of(invocation.ns, name);
    if (!deployments && deployments.error().exit == Exit::not_found && !options.ignore_missing) {
      return std::unexpected(std::move(deployments.error()));
    }
    targets.push_back({model::find_kind("Service"), invocation.ns, name});
    for (const auto& ref : deployments.value_or(std::vector<model::Ref>{})) {
      const auto index = graph->graph.find(ref);
      const auto& services = graph->graph.workloads()[*index].services;
      const bool shared = std::ranges::any_of(services, [&](const std::string& service) {
        return std::ranges::find(options.words, service) == options.words.end();
      });
      if (!shared) targets.push_back({model::find_kind("Deployment"), ref.ns, ref.name});
    }
  }
  return carry_out(**session, std::move(targets), invocation, options);
}

void add_common(Command command, Invocation& invocation, Options& options) {
  command.flag("--ignore-not-found", options.ignore_missing, "Not an error if it does not exist");
  command.timeout(invocation, "60s");
  command.ns(invocation);
  command.home(invocation);
}

}  // namespace

void add_delete(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  auto command = parent.add("delete", "Delete resources; returns when their instances have ended",
                            "weft delete service web\nweft delete deployment/web job/migrate\n"
                            "weft delete -f examples/shop");
  command.option("KIND", options->words, "KIND NAME... or KIND/NAME...");
  command.option("-f,--filename", options->files, "What FILE, DIR or - holds", {.value = "FILE"});
  add_common(command, invocation, *options);
  command.run(invocation, [&invocation, options] { return run(invocation, *options); });
}

void add_service_delete(Command parent, Invocation& invocation, bool with_kind) {
  auto options = std::make_shared<Options>();
  const std::string examples =
      with_kind ? "control-plane delete service simple-web-service" : "service delete simple-web-service";
  auto command =
      parent.add(with_kind ? "service" : "delete",
                 "Delete a service with its Deployment; returns when its instances have ended", examples);
  command.option("NAME", options->words, "Names of services", {.required = true});
  add_common(command, invocation, *options);
  command.run(invocation, [&invocation, options] { return run_service(invocation, *options); });
}

}  // namespace weft::cli
