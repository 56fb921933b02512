// `delete`: takes resources away, and with --wait returns when their instances are gone.
#include <fmt/format.h>

#include <ranges>

#include "cli/apply.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/mesh.h"
#include "cli/output.h"
#include "cli/readiness.h"
#include "cli/service_graph.h"
#include "cli/session.h"
#include "cli/take_away.h"
#include "cli/target.h"

namespace weft::cli {

namespace {

struct Options {
  std::vector<std::string> words;
  std::vector<std::string> files;
  std::string selector;
  bool ignore_missing = false;
};

Result<void> carry_out(Session& session, std::vector<Awaited> targets, const Invocation& invocation,
                       const Options& options) {
  auto& [reactor, home, api] = session;
  const auto tell_deleted = [](const Awaited& target) {
    print(fmt::format("{} deleted\n", target.to_string()));
  };
  return reactor.block_on(take_away(
      reactor, api, std::move(targets),
      {.limit = invocation.limit, .ignore_missing = options.ignore_missing, .on_deleted = tell_deleted}));
}

/// What the files hold; what was applied first goes last.
Result<void> delete_files(const Invocation& invocation, const Options& options) {
  auto objects = load_valid(options.files, invocation, "nothing was deleted", Paths::may_be_missing);
  if (!objects) return std::unexpected(std::move(objects.error()));
  std::vector<Awaited> targets;
  for (const auto& object : std::views::reverse(*objects)) targets.push_back(which(object));
  auto session = open_session(invocation, Absent::change);
  if (!session) return std::unexpected(std::move(session.error()));
  return carry_out(**session, std::move(targets), invocation, options);
}

Result<void> run(const Invocation& invocation, const Options& options) {
  if (!options.files.empty() && (!options.words.empty() || !options.selector.empty())) {
    return failure(Exit::usage, "both files (-f) and resources are named", {}, "leave out one of them");
  }
  if (!options.files.empty()) return delete_files(invocation, options);
  auto named = parse_targets(options.words);
  if (!named) return std::unexpected(std::move(named.error()));
  if (named->empty()) {
    return failure(Exit::usage, "nothing to delete was named", {}, "weft delete KIND NAME..., or -f FILE");
  }
  for (const auto& target : *named) {
    if (target.name.empty() && options.selector.empty()) {
      return failure(
          Exit::usage, fmt::format("which of the {}?", target.kind->plural), {},
          fmt::format("name them: weft delete {} NAME..., or select them with -l", target.kind->singular));
    }
  }
  auto session = open_session(invocation, Absent::change);
  if (!session) return std::unexpected(std::move(session.error()));
  auto& [reactor, home, api] = **session;
  auto found = reactor.block_on(find_targets(api, std::move(*named), invocation.ns, options.selector));
  if (!found) return std::unexpected(std::move(found.error()));
  if (found->empty()) tell(fmt::format("nothing matches {}\n", options.selector));
  std::vector<Awaited> targets;
  for (const auto& target : *found)
    targets.push_back({target.kind, target.kind->namespaced ? invocation.ns : "", target.name});
  return carry_out(**session, std::move(targets), invocation, options);
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
                            "weft delete -f examples/shop\nweft delete pod web-x7k2p\n"
                            "weft delete jobs -l app=shop");
  command.option("KIND", options->words, "KIND NAME... or KIND/NAME...; a pod is replaced");
  command.selector(options->selector);
  command.option("-f,--filename", options->files, "What FILE, DIR or - holds", {.value = "FILE"});
  add_common(command, invocation, *options);
  command.run(invocation, [&invocation, options] { return run(invocation, *options); });
}

void add_down(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  options->ignore_missing = true;
  auto command =
      parent.add("down",
                 "Stop the mesh, as `control-plane stop`; with -f, delete what files hold and leave "
                 "the mesh running",
                 "weft down\nweft down -f examples/shop");
  command.option("-f,--filename", options->files, "What FILE, DIR or - holds", {.value = "FILE"});
  command.timeout(invocation, base::format_duration(stop_limit));
  command.ns(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options] {
    return options->files.empty() ? stop(invocation) : delete_files(invocation, *options);
  });
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
