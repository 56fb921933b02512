// `upgrade`: puts another build of weft in the place of the one that runs, part after part, while requests go
// on.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>

#include "cli/commands.h"
#include "cli/mesh.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/upgrade.h"
#include "provider/process/client.h"
#include "runtime/build.h"
#include "runtime/combine.h"

namespace weft::cli {

using base::Json;
using provider::process::SupervisorClient;
using provider::process::SupervisorStatus;
using runtime::Task;

namespace {

enum class Role : std::uint8_t { supervisor, keeper, control_plane, proxy };

/// What a part is called at the supervisor, and where its pid stands in what that says.
struct Part {
  Role role;
  const char* name;
  const char* words;
  const char* field;  // of -o json
  pid_t (*pid)(const SupervisorStatus& status);
};

/// In the order in which they are replaced. The supervisor comes first, for it starts the others; the keeper
/// next, which starts the supervisor if that is killed; the proxy last, which asks the control plane.
constexpr Part parts[] = {{Role::supervisor, "supervisor", "supervisor", "supervisor",
                           [](const SupervisorStatus& status) { return status.pid; }},
                          {Role::keeper, "keeper", "keeper", "keeper",
                           [](const SupervisorStatus& status) { return status.keeper.pid; }},
                          {Role::control_plane, "control-plane", "control plane", "controlPlane",
                           [](const SupervisorStatus& status) { return status.control_plane.pid; }},
                          {Role::proxy, "proxy", "proxy", "proxy",
                           [](const SupervisorStatus& status) { return status.proxy.pid; }}};

/// A supervisor that is just being started, maybe again, needs less to say what it is.
constexpr auto status_limit = std::chrono::seconds(10);

/// An upgrade that is under way.
struct Upgrade {
  runtime::Reactor& reactor;
  const Invocation& invocation;
  runtime::Home home;
  SupervisorClient& supervisor;
  std::string program;
  Json report = Json::object();
  bool tells_lines;
  const Part* at = parts;
};

/// What runs now, part by part: said when an upgrade breaks off.
std::string what_runs(const SupervisorStatus& status) {
  std::string text;
  for (const auto& part : parts) {
    const pid_t pid = part.pid(status);
    if (!text.empty()) text += ", ";
    if (part.role == Role::keeper && status.kept_by_manager) {
      text += "keeper: the service manager";
      continue;
    }
    text += pid > 0 ? fmt::format("{}: {}", part.words, runtime::build_of(pid).to_string())
                    : fmt::format("{}: not running", part.words);
  }
  return text;
}

/// The answer of a supervisor that is older than the request (protocol.h).
bool is_unknown(const provider::ProviderError& error) { return error.detail.starts_with("unknown request"); }

/// Which process does that part's work now, and `how` it has come to that.
void tell_part(Upgrade& upgrade, const Part& part, pid_t pid, bool is_replaced, const std::string& how) {
  const auto build = runtime::build_of(pid);
  upgrade.report[part.field] = {
      {"pid", pid}, {"version", build.version}, {"build", build.id}, {"replaced", is_replaced}};
  if (!upgrade.tells_lines) return;
  tell(fmt::format("  {}: process {}, weft {}, {}\n", part.words, pid, build.to_string(), how));
}

/// What becomes of a mesh in which a part was not replaced, and what to do. `goes_on`: its supervisor is the
/// one that it was.
std::string mend_of(const Upgrade& upgrade, const Part& part, const SupervisorStatus& status, bool goes_on) {
  const auto again = upgrade_command(upgrade.program);
  if (status.stopping)
    return fmt::format("once it has stopped, `{} control-plane start` starts it with that weft",
                       upgrade.program);
  if (!goes_on) {
    return fmt::format(
        "it is started again, and the instances with it; see `control-plane logs`, and run {} again", again);
  }
  if (part.role == Role::supervisor)
    return fmt::format("nothing has changed; see to that and run {} again, or name another program", again);
  if (part.role == Role::control_plane) {
    return fmt::format(
        "the control plane before has ended, and the new one is started again until it comes: requests go "
        "on; "
        "see `control-plane logs`, and run {} again; the old program's `weft upgrade` puts all back",
        again);
  }
  return fmt::format("what runs goes on; see `control-plane logs`{}, and run {} again",
                     part.role == Role::proxy ? " and `weft proxy status`" : "", again);
}

Task<std::unexpected<Failure>> broken_off(Upgrade& upgrade, const Part& part, std::string why) {
  auto same = co_await upgrade.supervisor.status();
  // If that has gone, its keeper starts another one, unless the mesh was stopped.
  auto status = same ? std::optional(*same) : co_await supervisor_status(upgrade.reactor, upgrade.home);
  if (!status) co_return mesh_is_stopped(upgrade.home, "there is nothing to upgrade any more");
  co_return failure(Exit::failed, fmt::format("the {} was not replaced: {}", part.words, why),
                    what_runs(*status), mend_of(upgrade, part, *status, same.has_value()));
}

Task<Result<SupervisorStatus>> ask(Upgrade& upgrade) {
  auto status = co_await runtime::within(upgrade.reactor, status_limit, upgrade.supervisor.status());
  if (!status) co_return supervisor_is_stuck(upgrade.home, status_limit);
  if (!*status) co_return co_await broken_off(upgrade, *upgrade.at, status->error().detail);
  co_return std::move(**status);
}

/// Says what runs when the limit has passed. The supervisor may have been told to go on as another program
/// just then, by a connection that is closed by now.
Failure not_in_time(runtime::Reactor& reactor, const runtime::Home& home, base::Duration limit,
                    const Part& part, const std::string& program) {
  const auto told = reactor.block_on(runtime::within(reactor, last_words, supervisor_status(reactor, home)));
  if (!told) return supervisor_is_stuck(home, last_words).error();
  return {Exit::timeout,
          fmt::format("the mesh was not upgraded within {}: the {} was being replaced",
                      base::format_duration(limit), part.words),
          *told ? what_runs(**told) : "the mesh is stopped",
          fmt::format("run {} again, with a longer --timeout", upgrade_command(program)),
          {}};
}

/// One step.
Task<Result<void>> replace(Upgrade& upgrade, const Part& part) {
  upgrade.at = &part;
  const auto before = co_await ask(upgrade);
  if (!before) co_return std::unexpected(before.error());
  const bool is_supervisor = part.role == Role::supervisor;
  const bool is_keeper = part.role == Role::keeper;
  if (is_keeper && before->ends_with_keeper) {
    tell_part(upgrade, part, part.pid(*before), false,
              "stays: it is a command in the foreground, with which the mesh ends");
    co_return Result<void>();
  }
  auto replaced = is_supervisor ? co_await upgrade.supervisor.upgrade(upgrade.program)
                                : co_await upgrade.supervisor.replace(part.name);
  if (!replaced && replaced.error().kind == provider::ProviderErrorKind::not_seen) {
    upgrade.report[part.field] = {{"replaced", false}};
    if (upgrade.tells_lines) tell(fmt::format("  {}: stays: {}\n", part.words, replaced.error().detail));
    co_return Result<void>();
  }
  // One that systemd starts has no keeper.
  if (!replaced && is_keeper && replaced.error().kind == provider::ProviderErrorKind::not_found)
    co_return Result<void>();
  if (!replaced && is_supervisor && is_unknown(replaced.error())) {
    co_return failure(Exit::failed,
                      fmt::format("the supervisor runs weft {}, which cannot be replaced while it runs",
                                  runtime::build_of(before->pid).to_string()),
                      upgrade.home.state(),
                      "stop the mesh with that one (`control-plane stop`), and start it with this one");
  }
  if (!replaced) co_return co_await broken_off(upgrade, part, replaced.error().detail);
  const auto after = co_await ask(upgrade);
  if (!after) co_return std::unexpected(after.error());
  const pid_t replaced_pid = part.pid(*before);
  tell_part(upgrade, part, part.pid(*after), true,
            is_supervisor      ? std::string("goes on, with all that it had")
            : replaced_pid > 0 ? fmt::format("in place of {}", replaced_pid)
                               : std::string("in place of one that had ended"));
  co_return Result<void>();
}

Task<Result<void>> replace_all(Upgrade& upgrade) {
  auto unlimited = upgrade.invocation;
  unlimited.limit.reset();  // the limit is of the whole, and says what runs
  for (const auto& part : parts) {
    if (auto replaced = co_await replace(upgrade, part); !replaced) co_return replaced;
    if (part.role != Role::control_plane) continue;
    auto ready = co_await wait_ready(upgrade.reactor, unlimited, {});
    if (!ready) co_return co_await broken_off(upgrade, part, ready.error().what);
  }
  co_return Result<void>();
}

Result<std::string> program_of(const std::string& given) {
  if (given.empty()) return own_program();
  std::error_code error;
  auto path = std::filesystem::canonical(given, error);
  if (!error && ::access(path.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(path))
    return path.string();
  return failure(Exit::usage, fmt::format("--binary={} is no program that can be executed", given), {},
                 "give the path of a weft");
}

Result<void> run(const Invocation& invocation, const std::string& binary) {
  auto program = program_of(binary);
  if (!program) return std::unexpected(std::move(program.error()));
  auto home = home_of(invocation);
  if (!home) return std::unexpected(std::move(home.error()));
  if (!has_supervisor(*home)) return mesh_is_stopped(*home, "there is nothing to upgrade");
  auto report = upgrade_mesh(invocation, *home, std::move(*program));
  if (!report) return std::unexpected(std::move(report.error()));
  print(wants_documents(invocation) ? show_document(*report, invocation) : "upgraded\n");
  return {};
}

}  // namespace

Result<Json> upgrade_mesh(const Invocation& invocation, const runtime::Home& home, std::string program) {
  const auto lock = runtime::HomeLock::take(home.upgrade_lock());
  if (!lock && lock.error().kind == runtime::HomeErrorKind::held) {
    return failure(Exit::failed, "the mesh is being upgraded already", lock.error().detail,
                   "wait for that one to end");
  }
  if (!lock) return failure(Exit::failed, lock.error().detail);
  runtime::Reactor reactor;
  auto supervisor = SupervisorClient::connect(reactor, home.supervisor_socket());
  if (!supervisor) return failure(Exit::unavailable, supervisor.error().detail, home.state());
  Upgrade upgrade{.reactor = reactor,
                  .invocation = invocation,
                  .home = home,
                  .supervisor = **supervisor,
                  .program = std::move(program),
                  .tells_lines = !wants_documents(invocation)};
  auto done = reactor.block_on(runtime::within(reactor, invocation.limit->total, replace_all(upgrade)));
  if (!done) {
    supervisor->reset();
    return std::unexpected(not_in_time(reactor, home, invocation.limit->total, *upgrade.at, upgrade.program));
  }
  if (!*done) return std::unexpected(std::move(done->error()));
  return std::move(upgrade.report);
}

Result<void> bring_up_to_date(const Invocation& invocation, const runtime::Home& home) {
  runtime::Reactor reactor;
  const auto told =
      reactor.block_on(runtime::within(reactor, status_limit, supervisor_status(reactor, home)));
  if (!told || !*told) return {};  // who wants to know more of it will be told why
  const auto own = runtime::build_of(::getpid());
  std::optional<runtime::Build> other;
  for (const auto& part : parts) {
    if (part.role == Role::keeper) continue;  // in the foreground it stays what it is
    const auto build = runtime::build_of(part.pid(**told));
    if (build == own || build == runtime::Build()) continue;
    if (runtime::is_older(own, build)) {
      tell(fmt::format("the mesh runs weft {}, which is of a later version than this, {}: it is left so\n",
                       build.to_string(), own.to_string()));
      return {};
    }
    other = build;
  }
  if (!other) return {};
  tell(fmt::format("the mesh runs weft {}: this one, {}, takes its place\n", other->to_string(),
                   own.to_string()));
  auto upgraded = upgrade_mesh(invocation, home, own_program());
  if (!upgraded) return std::unexpected(std::move(upgraded.error()));
  return {};
}

void add_upgrade(Command parent, Invocation& invocation) {
  auto binary = std::make_shared<std::string>();
  auto command = parent.add(
      "upgrade",
      "Put this weft in the place of the one that runs the mesh: instances go on, and no request fails",
      "weft upgrade\nweft upgrade --binary ./build/bin/weft");
  command.option("--binary", *binary, "The weft to run [this one]", {.value = "PATH"});
  command.timeout(invocation, "120s");
  command.output(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, binary] { return run(invocation, *binary); });
}

}  // namespace weft::cli
