// `run`, `stop`, `status`: the mesh of one home; and the commands by which its own processes are started.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <climits>
#include <csignal>

#include "base/counted.h"
#include "cli/commands.h"
#include "cli/mesh.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/target.h"
#include "cli/terminal.h"
#include "control/serve.h"
#include "provider/process/carried.h"
#include "provider/process/image.h"
#include "provider/process/keeper.h"
#include "provider/process/supervisor.h"
#include "runtime/build.h"

namespace weft::cli {

using base::Json;

namespace {

/// A process's own exit code as a command's result; it has told its reason itself.
Result<void> ended_with(int code) {
  if (code == 0) return {};
  return std::unexpected(Failure{static_cast<Exit>(code), {}, {}, {}, {}});
}

/// What a keeper tells the supervisor that it starts, and how it is started.
struct SuperviseOptions {
  int restarts = -1;  // -1: it has no keeper
  std::string last_end;
  bool echo = false;
  /// Descriptors of what another program left (provider/process/carried.h); -1: none.
  int check = -1;
  int resume = -1;
};

/// How `weft keep` is started.
struct KeepOptions {
  bool with_us = false;
  int adopted_restarts = -1;  // -1: it starts a supervisor
};

Result<void> keep(const Invocation& invocation, const KeepOptions& wanted, bool echo) {
  auto home = home_of(invocation);
  if (!home) return std::unexpected(std::move(home.error()));
  provider::process::KeeperOptions options{.home = *home, .supervisor = {}, .with_us = wanted.with_us};
  if (wanted.adopted_restarts >= 0) options.adopted_restarts = wanted.adopted_restarts;
  options.supervisor = {own_program(), "supervise", "--home", home->state()};
  if (echo) options.supervisor.emplace_back("--echo");
  runtime::Reactor reactor;
  return ended_with(reactor.block_on(provider::process::keep(reactor, std::move(options))));
}

Result<void> run_in_foreground(const Invocation& invocation) {
  auto home = home_of(invocation);
  if (!home) return std::unexpected(std::move(home.error()));
  if (has_supervisor(*home)) {
    return failure(
        Exit::failed, "a mesh runs already with this state folder", home->state(),
        "stop it with `control-plane stop`, or give another folder with --home" + mend_of_build(*home));
  }
  return keep(invocation, {.with_us = true}, true);
}

Result<void> supervise(const Invocation& invocation, const SuperviseOptions& wanted) {
  auto home = home_of(invocation);
  if (!home) return std::unexpected(std::move(home.error()));
  if (wanted.check >= 0) {
    const auto checked = provider::process::check_carried(wanted.check);
    if (!checked) return failure(Exit::failed, checked.error().detail);
    tell(std::string(provider::process::can_go_on));
    return {};
  }
  const std::string program = own_program();
  provider::process::Options options{.home = *home};
  options.control_plane = {program, "control-plane", "serve", "--home", home->state()};
  options.proxy = {program, "proxy", "--home", home->state()};
  options.images = provider::process::image_folders();
  options.echo = wanted.echo;
  options.again = {.resume = {"supervise", "--home", home->state()}, .check = "--check"};
  auto& again = options.again.resume;
  if (wanted.echo) again.emplace_back("--echo");
  if (wanted.restarts >= 0) again.push_back(fmt::format("--restarts={}", wanted.restarts));
  if (!wanted.last_end.empty()) again.push_back("--last-end=" + wanted.last_end);
  again.emplace_back("--resume");
  if (wanted.resume >= 0) options.carried = wanted.resume;
  if (wanted.restarts >= 0) {
    options.kept = {
        .restarts = wanted.restarts,
        .last_end = wanted.last_end,
        .keeper = {program, "keep", "--home", home->state(), "--adopt", std::to_string(wanted.restarts)}};
  }
  runtime::Reactor reactor;
  return ended_with(reactor.block_on(provider::process::supervise(reactor, std::move(options))));
}

Result<void> serve(const Invocation& invocation) {
  auto home = home_of(invocation);
  if (!home) return std::unexpected(std::move(home.error()));
  runtime::Reactor reactor;
  return ended_with(reactor.block_on(control::serve(reactor, {.home = *home})));
}

std::string build_text(const Json& process) {
  return runtime::Build{text_at(process, "/version"), text_at(process, "/build")}.to_string();
}

std::string process_text(const Json& process) {
  if (process.contains("isServiceManager")) return "the service manager";
  std::string text =
      process.contains("pid") ? fmt::format("process {}", number_at(process, "/pid")) : "not running";
  if (number_at(process, "/restarts") > 0) {
    text += fmt::format(", {} (last end: {})", base::counted(number_at(process, "/restarts"), "restart"),
                        text_at(process, "/lastExit"));
  }
  if (process.contains("pid")) text += fmt::format(", weft {}", build_text(process));
  for (const auto& before : value_at(process, "/before"))
    text += fmt::format("; process {} (weft {}) ends what it has under way", number_at(before, "/pid"),
                        build_text(before));
  return text;
}

std::string services_text(const Result<std::vector<Json>>& services) {
  if (!services) return "not known: " + services.error().what;
  const auto ready = std::ranges::count_if(
      *services, [](const Json& service) { return condition_of(service, "Ready").is_true(); });
  return fmt::format("{} of {} ready", ready, services->size());
}

std::string readiness_text(const Json& control_plane) {
  if (value_at(control_plane, "/ready") == Json(true)) return "ready";
  if (!control_plane.contains("answers")) return "not ready";
  return fmt::format("does not answer (if `ps -o stat= {0}` says T, it goes on by `kill -CONT {0}`)",
                     number_at(control_plane, "/pid"));
}

std::string status_text(const Json& status, const Result<std::vector<Json>>& services) {
  return fmt::format(
      "mesh            running since {}\nstate           {}\nsupervisor      {}, {}\n"
      "keeper          {}\ncontrol plane   {}, {}\nproxy           {}\nservices        {}\n",
      text_at(status, "/supervisor/startedAt"), text_at(status, "/state"),
      process_text(value_at(status, "/supervisor")),
      base::counted(number_at(status, "/supervisor/instances"), "instance"), process_text(status["keeper"]),
      process_text(status["controlPlane"]), readiness_text(status["controlPlane"]),
      process_text(status["proxy"]), services_text(services));
}

Result<void> show_status(const Invocation& invocation, const std::vector<std::string>& words) {
  auto home = home_of(invocation);
  if (!home) return std::unexpected(std::move(home.error()));
  Session session(*home, invocation.limit);
  const auto wait = std::min<base::Duration>(answer_limit, invocation.limit->total);
  Json status = session.reactor.block_on(mesh_status(session.reactor, *home, wait));
  const bool documents = wants_documents(invocation);
  if (status["running"] == false || status.contains("answers")) {
    if (documents) print(show_document(status, invocation));
    if (status.contains("answers")) return supervisor_is_stuck(*home, wait);
    return failure(Exit::unavailable, "no mesh runs", fmt::format("state in {}", home->state()),
                   mend_of_stopped(*home));
  }
  const auto& kind = *model::find_kind("Service");
  auto targets = parse_targets(words, "Service");
  if (!targets) return std::unexpected(std::move(targets.error()));
  for (const auto& target : *targets) {
    auto object =
        session.reactor.block_on(session.api.get(rest_path(*target.kind, invocation.ns, target.name)));
    if (!object) return std::unexpected(std::move(object.error()));
    print(show({*object}, *target.kind, invocation, true));
  }
  if (!targets->empty()) return {};
  Result<std::vector<Json>> services = failure(Exit::unavailable, "the control plane is not ready");
  if (value_at(status, "/controlPlane/ready") == Json(true))
    services = session.reactor.block_on(session.api.list(rest_path(kind, "")));
  if (documents) {
    print(show_document(status, invocation));
  } else {
    print(status_text(status, services));
  }
  return {};
}

}  // namespace

Result<void> stop(const Invocation& invocation) {
  auto home = home_of(invocation);
  if (!home) return std::unexpected(std::move(home.error()));
  if (!has_supervisor(*home)) {
    tell(fmt::format("no mesh runs (state in {})\n", home->state()));
    return {};
  }
  runtime::Reactor reactor;
  auto on_step = [](const std::string& step) { tell(fmt::format("  {}\n", base::printable(step))); };
  auto stopped = reactor.block_on(stop_mesh(reactor, *home, invocation.limit->total, on_step));
  if (!stopped) return stopped;
  print("stopped\n");
  return {};
}

void add_run(Command parent, Invocation& invocation) {
  auto command = parent.add("run", "Run the mesh in the foreground until Ctrl-C",
                            "control-plane run\ncontrol-plane run --home ./state");
  command.home(invocation);
  command.run(invocation, [&invocation] { return run_in_foreground(invocation); });
}

void add_stop(Command parent, Invocation& invocation) {
  auto words = std::make_shared<std::vector<std::string>>();
  const auto name = parent.name();
  auto command = parent.add(
      "stop",
      "Stop a service, Deployment or Job; what is stored about it stays. Without a name, the mesh: "
      "all instances in reverse order of dependency, then its own processes",
      fmt::format("{0} stop\n{0} stop service simple-web-service\n{0} stop job/migrate", name));
  command.option("NAME", *words, "[service] NAME, or deployment/NAME, job/NAME...");
  command.timeout(invocation, base::format_duration(stop_limit));
  command.ns(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, words] {
    return words->empty() ? stop(invocation) : stop_named(invocation, *words);
  });
}

void add_status(Command parent, Invocation& invocation) {
  auto words = std::make_shared<std::vector<std::string>>();
  auto command =
      parent.add("status",
                 "Show whether the mesh runs (exit code 6 if not, 5 if it does not say), or the state of a "
                 "service, Deployment or Job",
                 fmt::format("{0} status\n{0} status service simple-web-service\n{0} status job/migrate\n"
                             "{0} status -o json",
                             parent.name()));
  command.option("NAME", *words, "[service] NAME, or KIND/NAME");
  command.timeout(invocation);
  command.ns(invocation);
  command.output(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, words] { return show_status(invocation, *words); });
}

void add_supervise(Command parent, Invocation& invocation) {
  auto command = parent.add(
      "supervise", "Own the instances of one state folder (other commands start this in the background)",
      "weft supervise --home ./state");
  auto options = std::make_shared<SuperviseOptions>();
  command.flag("--echo", options->echo, "Copy the output of control plane and proxy to stderr too");
  command.option("--restarts", options->restarts, "From `weft keep`: how often it was started again", 0,
                 INT_MAX);
  command.option("--last-end", options->last_end, "From `weft keep`: how the one before it ended");
  command.option("--check", options->check,
                 "From a supervisor: whether this program can go on with what that left", 0, INT_MAX);
  command.option("--resume", options->resume, "From a supervisor: go on with what it left", 0, INT_MAX);
  command.home(invocation);
  command.run(invocation, [&invocation, options] { return supervise(invocation, *options); });
}

void add_keep(Command parent, Invocation& invocation) {
  auto options = std::make_shared<KeepOptions>();
  auto command =
      parent.add("keep",
                 "Start `weft supervise`, and start it again if it is killed (other commands start "
                 "this in the background)",
                 "weft keep --home ./state");
  command.flag("--with-us", options->with_us, "Stop everything when this process ends, however it ends");
  command.option(
      "--adopt", options->adopted_restarts,
      "From `weft supervise`, whose keeper was killed: keep that one, which was started again so often", 0,
      INT_MAX);
  command.home(invocation);
  command.run(invocation, [&invocation, options] { return keep(invocation, *options, false); });
}

void add_serve(Command parent, Invocation& invocation) {
  auto command = parent.add("serve", "The control plane's process; the supervisor starts it",
                            "control-plane serve --home ./state");
  command.hide();
  command.home(invocation);
  command.run(invocation, [&invocation] { return serve(invocation); });
}

}  // namespace weft::cli
