// `exec`: runs a command beside an instance, as it would itself: in its environment and folder, in its
// cgroup. The standard streams, and the terminal with its signals, are this process's own.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>

#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/session.h"
#include "cli/target.h"
#include "model/resource.h"
#include "provider/process/image.h"
#include "runtime/process.h"

namespace weft::cli {

using base::Json;
using provider::process::Surroundings;
using runtime::Task;

namespace {

struct Options {
  std::string target;
  std::vector<std::string> command;
  bool input = false;
  bool terminal = false;
};

/// Instances that a resource names: itself, a workload's, a service's.
Task<Result<std::vector<Json>>> pods_of(Api& api, Target target, std::string ns) {
  auto object = co_await api.get(rest_path(*target.kind, ns, target.name));
  if (!object) co_return std::unexpected(std::move(object.error()));
  auto pods = co_await api.list(rest_path(*model::find_kind("Pod"), ns));
  if (!pods) co_return std::unexpected(std::move(pods.error()));
  std::erase_if(*pods, [&](const Json& pod) { return !is_instance_of(pod, *object); });
  co_return std::move(*pods);
}

/// The instance that is meant: the first that is ready and stays, else the first that runs. A word alone is
/// an instance, else a service.
Task<Result<std::string>> find_pod(Api& api, std::string word, std::string ns) {
  auto targets = parse_targets({word}, "Pod");
  if (!targets) co_return std::unexpected(std::move(targets.error()));
  auto target = targets->front();
  auto pods = co_await pods_of(api, target, ns);
  if (!pods && pods.error().exit == Exit::not_found && !word.contains('/')) {
    target.kind = model::find_kind("Service");
    pods = co_await pods_of(api, target, ns);
  }
  if (!pods) co_return std::unexpected(std::move(pods.error()));
  std::string found;
  for (const Json& pod : *pods) {
    if (is_serving(pod)) co_return name_of(pod);
    if (found.empty() && text_at(pod, "/status/phase") == "Running") found = name_of(pod);
  }
  if (!found.empty()) co_return found;
  co_return failure(Exit::failed,
                    fmt::format("no instance of {} {} runs", target.kind->singular, target.name), {},
                    fmt::format("see why: weft describe {} {}", target.kind->singular, target.name));
}

Task<Result<Surroundings>> surroundings_of(Session& session, std::string id, base::Duration limit) {
  auto supervisor =
      provider::process::SupervisorClient::connect(session.reactor, session.home.supervisor_socket());
  if (!supervisor) co_return failure(Exit::unavailable, supervisor.error().detail);
  auto told = co_await runtime::within(session.reactor, limit, (*supervisor)->surroundings(std::move(id)));
  if (!told) co_return supervisor_is_stuck(session.home, limit);
  if (!*told) co_return failure(Exit::failed, told->error().detail);
  co_return std::move(**told);
}

std::string search_path(const Surroundings& around) {
  constexpr std::string_view name = "PATH=";
  for (const auto& variable : around.environment) {
    if (variable.starts_with(name)) return variable.substr(name.size());
  }
  return {};
}

Result<runtime::ExitStatus> run_in(runtime::Reactor& reactor, const Surroundings& around,
                                   const Options& options) {
  auto program =
      provider::process::find_program(options.command.front(), around.directory, search_path(around));
  if (!program) return failure(Exit::not_found, program.error().detail);
  runtime::SpawnOptions spawned;
  spawned.argv = options.command;
  spawned.argv.front() = *program;
  spawned.environment = around.environment;
  spawned.directory = around.directory;
  if (const auto& who = around.credentials)
    spawned.user = runtime::SpawnUser{who->uid, who->gid, {who->groups.begin(), who->groups.end()}};
  spawned.fds = {{STDOUT_FILENO, STDOUT_FILENO}, {STDERR_FILENO, STDERR_FILENO}};
  if (options.input) spawned.fds.emplace_back(STDIN_FILENO, STDIN_FILENO);
  // In this terminal's foreground, with its Ctrl-C; it does not outlive this process.
  spawned.new_session = false;
  spawned.parent_death_signal = SIGHUP;
  // Who may not put it there runs it outside, with the marker in its environment alone.
  const runtime::Fd cgroup(
      around.cgroup.empty() ? -1 : open(around.cgroup.c_str(), O_DIRECTORY | O_PATH | O_CLOEXEC));
  spawned.cgroup_fd = cgroup.get();
  auto child = runtime::spawn(spawned);
  if (!child && cgroup) {
    spawned.cgroup_fd = -1;
    child = runtime::spawn(spawned);
  }
  if (!child)
    return failure(Exit::failed, fmt::format("cannot start {}: {}", *program, child.error().message()));
  for (const int signal : {SIGINT, SIGQUIT}) ::signal(signal, SIG_IGN);
  return reactor.block_on(runtime::wait_exit(reactor, child->pidfd.get()));
}

Result<void> run(const Invocation& invocation, const Options& options) {
  auto session = open_session(invocation, Absent::fail);
  if (!session) return std::unexpected(std::move(session.error()));
  auto& reactor = (*session)->reactor;
  auto pod = reactor.block_on(find_pod((*session)->api, options.target, invocation.ns));
  if (!pod) return std::unexpected(std::move(pod.error()));
  const auto limit = within_limit(invocation.limit, reactor.clock().now(), answer_limit);
  auto around =
      reactor.block_on(surroundings_of(**session, fmt::format("{}/{}", invocation.ns, *pod), limit));
  if (!around) return std::unexpected(std::move(around.error()));
  auto ended = run_in(reactor, *around, options);
  if (!ended) return std::unexpected(std::move(ended.error()));
  const int code = ended->code.value_or(128 + ended->signal.value_or(0));
  if (code == 0) return {};
  return std::unexpected(Failure{static_cast<Exit>(code), {}, {}, {}, {}});
}

}  // namespace

void add_exec(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  auto command =
      parent.add("exec",
                 "Run a command beside an instance, in its environment and folder; its exit code is "
                 "this one's",
                 "weft exec web -- env\nweft exec -it deploy/db -- psql -U postgres\n"
                 "weft exec pod/web-x7k2p -i -- sh < script.sh");
  command.option("NAME", options->target, "An instance, or KIND/NAME of one, a service, deployment or job",
                 {.required = true});
  command.option("COMMAND", options->command, "Behind --: the command and its arguments", {.required = true});
  command.flag("-i,--stdin", options->input, "It reads this command's standard input, else nothing");
  command.flag("-t,--tty", options->terminal,
               "For who is used to it: it writes to this command's terminal in any case, where there is one");
  command.timeout(invocation);
  command.ns(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options] { return run(invocation, *options); });
}

}  // namespace weft::cli
