// `logs`: what instances have written; of a service or workload, that of all its instances.
#include <fmt/format.h>
#include <unistd.h>

#include <limits>

#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/target.h"
#include "model/resource.h"
#include "runtime/combine.h"

namespace weft::cli {

using base::Json;
using runtime::Task;

namespace {

struct Options {
  std::vector<std::string> words;
  bool follow = false;
  bool timestamps = false;
  int tail = -1;
};

std::string path_of_log(const std::string& ns, const std::string& pod, const Options& options) {
  return with_query(rest_path(*model::find_kind("Pod"), ns, pod, "log"),
                    {{"follow", options.follow ? "true" : ""},
                     {"timestamps", options.timestamps ? "true" : ""},
                     {"tailLines", options.tail >= 0 ? std::to_string(options.tail) : ""}});
}

/// The log of one instance: behind "[name] " if several are shown, and on a terminal, in whole lines.
Task<Result<void>> show_one(Api& api, std::string path, std::string prefix, Limited limited) {
  std::string rest;
  auto on_bytes = [&rest, &prefix](std::string_view bytes) {
    if (prefix.empty() && !is_terminal(STDOUT_FILENO)) return print_log(bytes);
    std::size_t begin = 0;
    rest += bytes;
    for (std::size_t end; (end = rest.find('\n', begin)) != std::string::npos; begin = end + 1)
      print_log(prefix + rest.substr(begin, end + 1 - begin));
    rest.erase(0, begin);
  };
  auto done = co_await api.stream(message::Method::get, std::move(path), on_bytes, limited);
  if (!rest.empty()) print_log(prefix + rest + (prefix.empty() ? "" : "\n"));
  co_return done;
}

Task<void> show_beside(Api& api, std::string path, std::string prefix, Result<void>* result) {
  auto done = co_await show_one(api, std::move(path), std::move(prefix), Limited::to_beginning);
  if (!done) *result = std::unexpected(std::move(done.error()));
}

/// The instances that a resource names: itself, a workload's, a service's.
Task<Result<std::vector<Json>>> pods_of(Api& api, Target target, std::string ns) {
  const auto& pods = *model::find_kind("Pod");
  auto object = co_await api.get(rest_path(*target.kind, ns, target.name));
  if (!object) co_return std::unexpected(std::move(object.error()));
  if (target.kind->kind == "Pod") co_return std::vector{std::move(*object)};
  auto all = co_await api.list(rest_path(pods, ns));
  if (!all) co_return std::unexpected(std::move(all.error()));
  std::vector<Json> found;
  for (Json& pod : *all) {
    const Json& labels = value_at(pod, "/metadata/labels");
    const bool own = labels.is_object() &&
                     labels.value(std::string(model::label::workload), "") == target.name &&
                     labels.value(std::string(model::label::kind), "") == target.kind->kind;
    if (own || (target.kind->kind == "Service" && selects(*object, pod))) found.push_back(std::move(pod));
  }
  if (found.empty()) {
    co_return failure(Exit::not_found,
                      fmt::format("{} {} has no instances", target.kind->singular, target.name), {},
                      fmt::format("see why: weft describe {} {}", target.kind->singular, target.name));
  }
  co_return found;
}

/// The mesh's own processes write files, which need no control plane to be read.
Result<void> own_logs(const Invocation& invocation, const Options& options) {
  auto home = home_of(invocation);
  if (!home) return std::unexpected(std::move(home.error()));
  const std::size_t lines = options.tail >= 0 ? static_cast<std::size_t>(options.tail) : 50;
  for (const char* name : {"supervisor", "control-plane", "proxy"}) {
    print(fmt::format("--- {}\n", home->own_log(name)));
    print_log(tail_of(home->own_log(name), lines) + "\n");
  }
  return {};
}

Result<void> run(const Invocation& invocation, const Options& options, bool of_mesh) {
  if (of_mesh && options.words.empty()) return own_logs(invocation, options);
  auto targets = parse_targets(options.words, "Service");
  if (!targets) return std::unexpected(std::move(targets.error()));
  if (targets->size() != 1 || targets->front().name.empty()) {
    return failure(Exit::usage, "logs needs one resource", {},
                   "weft logs NAME of a service, pod/NAME or job/NAME");
  }
  auto session = open_session(invocation, Absent::read);
  if (!session) return std::unexpected(std::move(session.error()));
  auto& [reactor, home, api] = **session;
  auto target = targets->front();
  auto found = reactor.block_on(pods_of(api, target, invocation.ns));
  if (!found && found.error().exit == Exit::not_found && options.words.size() == 1 &&
      options.words.front().find('/') == std::string::npos) {
    // A bare name that is no service may be an instance.
    target.kind = model::find_kind("Pod");
    if (auto pods = reactor.block_on(pods_of(api, target, invocation.ns))) found = std::move(pods);
  }
  if (!found) return std::unexpected(std::move(found.error()));
  Result<void> result;
  std::vector<Task<void>> all;
  for (const Json& pod : *found) {
    std::string path = path_of_log(invocation.ns, name_of(pod), options);
    const std::string prefix = found->size() > 1 ? fmt::format("[{}] ", name_of(pod)) : "";
    if (options.follow) {
      all.push_back(show_beside(api, std::move(path), prefix, &result));
    } else if (auto shown = reactor.block_on(show_one(api, std::move(path), prefix, Limited::to_end));
               !shown) {
      return shown;
    }
  }
  reactor.block_on(runtime::all(std::move(all)));
  return result;
}

}  // namespace

void add_logs(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  const bool of_mesh = invocation.program == Program::control_plane || parent.name() == "control-plane";
  auto command =
      parent.add("logs",
                 of_mesh ? "Show what instances have written; without a name, what the mesh itself has"
                         : "Show what instances have written",
                 "weft logs web\nweft logs service web -f --tail 20\nweft logs job/migrate\n"
                 "control-plane logs service simple-web-service");
  command.option("NAME", options->words, "[service] NAME, or KIND/NAME of a pod, deployment or job",
                 {.required = !of_mesh});
  command.flag("-f,--follow", options->follow, "Go on with what comes");
  command.option("--tail", options->tail, "Only so many of the last lines", 0,
                 std::numeric_limits<int>::max());
  command.flag("--timestamps", options->timestamps, "Each line with its time");
  command.timeout(invocation);
  command.ns(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options, of_mesh] { return run(invocation, *options, of_mesh); });
}

}  // namespace weft::cli
