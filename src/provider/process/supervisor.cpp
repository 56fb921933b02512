#include "provider/process/supervisor.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/printable.h"
#include "provider/process/attendant.h"
#include "provider/process/carried.h"
#include "provider/process/descriptors.h"
#include "provider/process/group.h"
#include "provider/process/instances.h"
#include "provider/process/keeper.h"
#include "provider/process/keeper_watch.h"
#include "provider/process/ports.h"
#include "provider/process/protocol.h"
#include "provider/process/server.h"
#include "provider/process/state_file.h"
#include "provider/process/volumes.h"
#include "runtime/combine.h"
#include "runtime/file_identity.h"
#include "runtime/log.h"
#include "runtime/service_manager.h"
#include "runtime/signals.h"

namespace weft::provider::process {
namespace {

constexpr std::string_view room = "supervisor";
/// Said by one that would be another process than the supervisor was, whose children are not its own.
constexpr std::string_view is_not_in_place =
    "weft was started by it as a process of its own: a script must end with `exec weft \"$@\"`";
/// What an instance that the control plane did not stop gets at the end, whatever its spec says.
constexpr auto last_grace = std::chrono::seconds(10);
/// How long the proxy may take to finish what is under way.
constexpr auto proxy_grace = std::chrono::seconds(5);
/// How long a control plane may take to end that leaves its instances to its successor: it finishes what it
/// answers.
constexpr auto control_plane_grace = std::chrono::seconds(3);
/// How long a new control plane may take until it attaches, which it does once it has opened its store.
constexpr auto attach_limit = std::chrono::seconds(10);
/// How long a program may take to read what it would be told; it does nothing else.
constexpr auto check_limit = std::chrono::seconds(10);
/// How long a new proxy may take until it has all that the control plane has to tell it.
constexpr auto serve_limit = std::chrono::seconds(30);
/// Between two looks at the logs of instances that are gone, which do not grow any more, and at its own,
/// which gets some lines an hour at most.
constexpr auto logs_pause = std::chrono::hours(1);

/// The environment of control plane and proxy: this process's own. What they say of themselves is not said
/// of the mesh.
Environment own_environment(const runtime::Home& home) {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string_view text = *entry;
    auto equals = text.find('=');
    if (equals == std::string_view::npos || runtime::is_of_service_manager(text.substr(0, equals))) continue;
    environment[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  environment["WEFT_HOME"] = home.state();
  return environment;
}

Program own_program(const runtime::Home& home, std::vector<std::string> argv) {
  return {.argv = std::move(argv), .environment = own_environment(home), .directory = {}, .output = -1};
}

Fence make_fence(runtime::Reactor& reactor, Processes& processes, const SupervisorState& state,
                 const std::optional<Carried>& carried) {
  const int oom_found = carried ? carried->oom_found : runtime::oom_score_adj();
  Fence fence{reactor, processes, state.identity, std::nullopt, protect_from_oom(oom_found)};
  if (!state.cgroup_root.empty()) fence.cgroup_root = state.cgroup_root;
  return fence;
}

/// All parts of one supervisor, in the order in which they need each other.
class Supervisor {
 public:
  Supervisor(runtime::Reactor& reactor, Options options, SupervisorState state, runtime::Signals& signals,
             const runtime::HomeLock& lock, std::unique_ptr<runtime::WorkThread> thread,
             std::optional<Carried> carried);

  runtime::Task<void> run(runtime::Fd listening);

 private:
  runtime::Task<void> watch_signals();
  runtime::Task<void> attend_control_plane();
  runtime::Task<void> attend_proxy();
  runtime::Task<void> attend_keeper();
  runtime::Task<void> stop_in_order();
  runtime::Task<void> kill_everything();
  runtime::Task<void> save_ports();
  runtime::Task<void> save_loop();
  runtime::Task<void> keep_logs_bounded();
  runtime::Task<Result<void>> upgrade(std::string program);
  std::vector<std::string> command_of_next(const std::string& program, int carried) const;
  runtime::Task<Result<void>> check_program(std::string program);
  runtime::Task<Result<void>> replace(std::string name);
  bool is_stopping() const;
  std::optional<std::string> not_now() const;
  Carried carry();
  void resume(Carried carried);
  void go_on();
  SupervisorState state_now() const;
  SupervisorStatus status() const;
  void begin_shutdown(bool quick);
  void tell_ready() const;

  runtime::Reactor& reactor_;
  Options options_;
  SupervisorState state_;
  runtime::Signals& signals_;
  const runtime::HomeLock& lock_;
  base::WallTime started_at_;
  int listening_ = -1;
  bool is_upgrading_ = false;
  std::vector<CarriedPeer> peers_;  // of the program before this, until run()
  runtime::Event stop_;
  runtime::Event hurry_;
  runtime::Event dirty_;
  std::uint64_t changes_ = 0;  // of the ports
  std::uint64_t saved_ = 0;    // of these, up to which they are on disk, or could not be written
  runtime::Event saved_more_;
  Processes processes_;
  Fence fence_;
  Ports ports_;
  std::optional<Server> server_;
  Instances instances_;
  Attendant control_plane_;
  Attendant proxy_;
  std::optional<KeeperWatch> keeper_;
  StateWriter writer_;
  runtime::Scope saver_;
  runtime::Scope scope_;
};

Supervisor::Supervisor(runtime::Reactor& reactor, Options options, SupervisorState state,
                       runtime::Signals& signals, const runtime::HomeLock& lock,
                       std::unique_ptr<runtime::WorkThread> thread, std::optional<Carried> carried)
    : reactor_(reactor),
      options_(std::move(options)),
      state_(std::move(state)),
      signals_(signals),
      lock_(lock),
      started_at_(reactor.clock().wall()),
      processes_(reactor.clock()),
      fence_(make_fence(reactor, processes_, state_, carried)),
      ports_(usable_ports(), state_.identity),
      instances_(fence_, ports_, {options_.home.logs(), options_.logs, {}, options_.images},
                 [this](const Instance& instance) { server_->tell_exit(instance); }),
      control_plane_(fence_, "control-plane", own_program(options_.home, options_.control_plane),
                     options_.home.own_log("control-plane"), options_.logs, options_.echo),
      proxy_(fence_, "proxy", own_program(options_.home, options_.proxy), options_.home.own_log("proxy"),
             options_.logs, options_.echo),
      writer_(reactor, options_.home.supervisor_state(), std::move(thread)) {
  if (options_.kept) keeper_.emplace(fence_, options_.kept->keeper, lock);
  ports_.restore(state_.ports);
  server_.emplace(reactor_,
                  Desk{.instances = instances_,
                       .ports = ports_,
                       .status = [this] { return status(); },
                       .shutdown = [this](bool quick) { begin_shutdown(quick); },
                       .save_ports = [this] { return save_ports(); },
                       .attached =
                           [this](pid_t pid) {
                             control_plane_.serves(pid, false);
                             tell_ready();
                           },
                       .serves = [this](pid_t pid, bool relieves) { proxy_.serves(pid, relieves); },
                       .leaves_stopping = [this]() -> std::optional<std::string> {
                         if (!control_plane_.is_being_replaced()) return std::nullopt;
                         return "the control plane is being replaced";
                       },
                       .upgrade = [this](std::string program) { return upgrade(std::move(program)); },
                       .replace = [this](std::string name) { return replace(std::move(name)); }});
  if (carried) {
    resume(std::move(*carried));
  } else if (keeper_) {
    keeper_->find();
  }
}

void Supervisor::resume(Carried carried) {
  started_at_ = carried.started_at;
  for (const auto& [key, fd] : carried.sockets) ports_.adopt(key, take_carried(fd));
  instances_.resume(std::move(carried.instances));
  control_plane_.resume(std::move(carried.control_plane));
  proxy_.resume(std::move(carried.proxy));
  if (keeper_ && carried.keeper) keeper_->resume(*carried.keeper);
  peers_ = std::move(carried.peers);
}

/// In this order: what ended while nobody looked is told to those who were connected then.
void Supervisor::go_on() {
  server_->resume(std::move(peers_));
  instances_.watch_resumed();
  processes_.reap();
  dirty_.set();
  if (server_->has_control_plane()) tell_ready();
}

Carried Supervisor::carry() {
  const auto state = state_now();
  Carried carried{.identity = state.identity,
                  .cgroup_root = state.cgroup_root,
                  .ports = state.ports,
                  .sockets = ports_.sockets(),
                  .started_at = started_at_,
                  .oom_found = fence_.oom.found,
                  .pid = ::getpid(),
                  .file_limit = runtime::file_limit_of_children(),
                  .lock = lock_.fd(),
                  .listening = listening_,
                  .keeper = {},
                  .control_plane = control_plane_.carry(),
                  .proxy = proxy_.carry(),
                  .instances = instances_.carry(),
                  .peers = server_->carry()};
  if (keeper_) carried.keeper = keeper_->carry();
  return carried;
}

bool Supervisor::is_stopping() const { return stop_.is_set() || server_->control_plane_stops(); }

/// Why nothing can be replaced now.
std::optional<std::string> Supervisor::not_now() const {
  if (is_stopping()) return "the mesh is stopping";
  if (proxy_.is_being_replaced()) return "the proxy is being replaced";
  if (control_plane_.is_being_replaced()) return "the control plane is being started again";
  return std::nullopt;
}

std::vector<std::string> Supervisor::command_of_next(const std::string& program, int carried) const {
  std::vector<std::string> argv{program};
  argv.insert(argv.end(), options_.again.resume.begin(), options_.again.resume.end());
  argv.push_back(std::to_string(carried));
  return argv;
}

/// Asks the program itself, by the command line that it would get: it may be none, or not know what it would
/// be told.
runtime::Task<Result<void>> Supervisor::check_program(std::string program) {
  constexpr int at = 3;
  const auto refuse = [&](std::string_view why) {
    return base::fail(ProviderErrorKind::failed,
                      fmt::format("{} cannot go on in the supervisor's place: {}", program, why));
  };
  const auto state = write_carried(carry());
  if (!state) co_return cannot("write down the supervisor's state", state.error());
  auto words = output_pipe();
  if (!words) co_return cannot("ask the program", words.error());
  runtime::SpawnOptions spawn;
  spawn.argv = command_of_next(program, at);
  spawn.argv.push_back(options_.again.check);
  spawn.argv.push_back(std::to_string(at));
  // It is any program yet: it does not speak for this one, nor is it spared where the kernel looks for
  // memory.
  for (const auto& [name, value] : own_environment(options_.home))
    spawn.environment.push_back(fmt::format("{}={}", name, value));
  spawn.oom_score_adj = fence_.oom.instance;
  spawn.fds = {{state->get(), at}, {words->second.get(), STDERR_FILENO}};
  spawn.parent_death_signal = SIGKILL;
  auto asked = processes_.spawn(spawn);
  if (!asked) co_return refuse(asked.error().message());
  words->second.reset();
  // Also if who asked goes away.
  struct Killer {
    Process& process;
    ~Killer() {
      if (process.is_running()) ::kill(-process.pid, SIGKILL);
    }
  } killer{**asked};
  if (!co_await runtime::within(reactor_, check_limit, until((*asked)->ended))) {
    co_return refuse(
        fmt::format("it does not say within {} whether it can", base::format_duration(check_limit)));
  }
  char text[detail_bytes / 2];
  const auto got = ::read(words->first.get(), text, sizeof text);
  const std::string_view said(text, got > 0 ? static_cast<std::size_t>(got) : 0);
  if ((*asked)->status.code == 0)
    co_return said == can_go_on ? Result<void>() : refuse("it is no weft that knows how");
  co_return refuse(said.empty() ? (*asked)->status.to_string() : base::printable(said));
}

/// The same process with another program. The kernel keeps what is not closed: children, sockets, pipes,
/// locks; what it sends meanwhile waits in them, signals too, for they are blocked. All that happened until
/// here is in what is carried, for nothing runs between that and the execution.
runtime::Task<Result<void>> Supervisor::upgrade(std::string program) {
  if (is_upgrading_)
    co_return base::fail(ProviderErrorKind::already_exists, "the mesh is being upgraded already");
  struct Done {
    bool& flag;
    ~Done() { flag = false; }
  } done{is_upgrading_ = true};
  const auto file = runtime::identity_of(program);
  if (auto checked = co_await check_program(program); !checked) co_return checked;
  if (runtime::identity_of(program) != file) {
    co_return base::fail(ProviderErrorKind::failed,
                         fmt::format("the file {} was changed while it was looked at", program));
  }
  if (const auto why = not_now()) co_return base::fail(ProviderErrorKind::unavailable, *why);
  const auto carried = carry();
  const auto state = write_carried(carried);
  if (!state) co_return cannot("write down the supervisor's state", state.error());
  auto kept = carried.descriptors();
  kept.push_back(state->get());
  runtime::log::info(room, "goes on as {}", program);
  runtime::notify_reloading();
  const auto error = runtime::replace_this_process(command_of_next(program, state->get()), kept);
  runtime::notify_manager("READY=1");
  co_return cannot(fmt::format("execute {}", program), error);
}

runtime::Task<Result<void>> Supervisor::replace(std::string name) {
  if (is_upgrading_) co_return base::fail(ProviderErrorKind::unavailable, "the supervisor is being replaced");
  if (const auto why = not_now()) co_return base::fail(ProviderErrorKind::unavailable, *why);
  // It ends by SIGHUP without stopping the instances; one that knows no such thing, as the kernel ends it.
  if (name == "control-plane")
    co_return co_await control_plane_.restart(SIGHUP, control_plane_grace, attach_limit);
  if (name == "proxy") co_return co_await proxy_.replace(serve_limit);
  if (name == "keeper" && keeper_) co_return keeper_->replace();
  co_return base::fail(ProviderErrorKind::not_found, fmt::format("no process \"{}\"", name));
}

void Supervisor::tell_ready() const {
  if (stop_.is_set()) return;
  runtime::notify_manager(fmt::format("READY=1\nSTATUS=supervises {}", options_.home.state()));
}

runtime::Task<void> Supervisor::run(runtime::Fd listening) {
  listening_ = listening.get();
  if (options_.carried) go_on();
  scope_.spawn(watch_signals());
  scope_.spawn(server_->serve(std::move(listening)));
  saver_.spawn(save_loop());
  scope_.spawn(keep_logs_bounded());
  scope_.spawn(attend_proxy());
  scope_.spawn(attend_control_plane());
  scope_.spawn(attend_keeper());
  co_await stop_.wait();
  if (co_await runtime::first(stop_in_order(), until(hurry_)) == 1) co_await kill_everything();
  if (!co_await kill_descendants(reactor_, processes_))
    runtime::log::warning(room, "some processes do not end");
  if (fence_.cgroup_root) remove_cgroup(*fence_.cgroup_root);
  instances_.close_logs();
  saver_.cancel();
  co_await writer_.save(state_now());
  // What woke this task may be one of the tasks below, which end with this object: let it return first.
  co_await reactor_.sleep(base::Duration::zero());
}

/// The control plane first: it knows the order, and one that leaves for its successor leaves that to it too.
/// Then whatever it left, the proxy last, which carries the last requests.
runtime::Task<void> Supervisor::stop_in_order() {
  co_await control_plane_.until_replaced();
  co_await control_plane_.stop(options_.shutdown_limit);
  instances_.refuse_starts();
  co_await instances_.stop_all(last_grace);
  co_await proxy_.stop(proxy_grace);
}

runtime::Task<void> Supervisor::kill_everything() {
  instances_.refuse_starts();
  proxy_.finish();
  co_await control_plane_.stop(std::chrono::milliseconds(0));
  co_await instances_.stop_all(std::chrono::milliseconds(0));
  co_await proxy_.stop(std::chrono::milliseconds(0));
}

void Supervisor::begin_shutdown(bool quick) {
  if (!stop_.is_set()) runtime::notify_manager("STOPPING=1");
  stop_.set();
  if (quick) hurry_.set();
}

runtime::Task<void> Supervisor::watch_signals() {
  while (true) {
    const int signal = co_await signals_.next();
    if (signal == SIGCHLD) {
      processes_.reap();
      continue;
    }
    begin_shutdown(stop_.is_set());
  }
}

runtime::Task<void> Supervisor::attend_control_plane() {
  if (co_await control_plane_.run(true)) begin_shutdown(false);
}

runtime::Task<void> Supervisor::attend_proxy() { co_await proxy_.run(false); }

/// One that it has started itself is killed at the end with all else that is left here.
runtime::Task<void> Supervisor::attend_keeper() {
  if (keeper_) co_await runtime::first(keeper_->run(), until(stop_));
}

runtime::Task<void> Supervisor::save_ports() {
  const auto change = ++changes_;
  dirty_.set();
  while (saved_ < change) co_await saved_more_.wait();
}

/// What changes while one is written shares the next one.
runtime::Task<void> Supervisor::save_loop() {
  while (true) {
    co_await dirty_.wait();
    // From the reactor's loop: all that changed in this turn goes along.
    co_await reactor_.sleep(base::Duration::zero());
    dirty_.clear();
    const auto change = changes_;
    co_await writer_.save(state_now());
    saved_ = change;
    saved_more_.pulse();
  }
}

runtime::Task<void> Supervisor::keep_logs_bounded() {
  while (true) {
    instances_.remove_logs_of_gone();
    bound_own_output(STDERR_FILENO, options_.home.own_log("supervisor"));
    co_await reactor_.sleep(logs_pause);
  }
}

SupervisorState Supervisor::state_now() const {
  return {state_.identity, fence_.cgroup_root.value_or(""), ports_.to_json()};
}

SupervisorStatus Supervisor::status() const {
  SupervisorStatus status;
  status.pid = ::getpid();
  status.started_at = started_at_;
  if (options_.kept) {
    status.keeper = keeper_->status();
    status.ends_with_keeper = KeeperWatch::ends_with_keeper();
    status.restarts = options_.kept->restarts;
    status.last_end = options_.kept->last_end;
  } else {
    status.kept_by_manager = runtime::has_service_manager();
  }
  status.cgroups = fence_.cgroup_root.has_value();
  status.limits_processes = status.cgroups && cgroup_limits_processes(*fence_.cgroup_root);
  status.images = options_.images;
  status.stopping = is_stopping();
  status.instances = instances_.running();
  status.control_plane = control_plane_.status();
  status.proxy = proxy_.status();
  return status;
}

/// Everything before the first child: what remains of a killed predecessor is cleared, and its state taken
/// over.
runtime::Task<std::optional<SupervisorState>> take_over(runtime::Reactor& reactor, const Options& options) {
  const auto path = options.home.supervisor_state();
  auto state = load_state(path);
  if (!co_await clear_remains(reactor, state.identity, state.cgroup_root)) {
    runtime::log::warning(room, "some processes of the supervisor before this one do not end");
  }
  Volumes(VolumeFolders::of(options.home)).clear();  // of instances that are gone now
  const auto recorded = state.cgroup_root;
  auto root = options.use_cgroups ? make_cgroup_root(state.identity) : std::nullopt;
  state.cgroup_root = root.value_or("");
  // Before anything starts, for a successor finds what it must clear by these.
  auto saved = save_state(path, state);
  if (saved) co_return state;
  runtime::log::error(room, "cannot save {}: {}", path, saved.error().message());
  // What is recorded already will do (a disk that became full must not keep the mesh from starting again).
  if (!std::filesystem::exists(path)) co_return std::nullopt;
  if (state.cgroup_root != recorded) state.cgroup_root.clear();
  co_return state;
}

/// The exit code of one that could not begin. In the place of another program it is killed instead: then its
/// keeper starts it anew, which clears what that has left.
int not_begun(bool is_in_place) {
  if (is_in_place) ::raise(SIGKILL);
  return 1;
}

}  // namespace

Result<void> check_carried(int fd) {
  const auto carried = read_carried(fd);
  if (!carried) return std::unexpected(carried.error());
  if (carried->pid > 0 && carried->pid != ::getppid())
    return base::fail(ProviderErrorKind::failed, std::string(is_not_in_place));
  return {};
}

runtime::Task<int> supervise(runtime::Reactor& reactor, Options options) {
  std::optional<Carried> carried;
  if (options.carried) {
    auto read = read_carried(take_carried(*options.carried).get());
    if (!read) {
      runtime::log::error(room, "{}", read.error().detail);
      co_return not_begun(true);
    }
    carried = std::move(*read);
    if (carried->pid > 0 && carried->pid != ::getpid()) {
      runtime::log::error(room, "{}", is_not_in_place);
      co_return not_begun(true);
    }
  }
  auto lock = carried        ? runtime::HomeLock::inherited(runtime::Fd(carried->lock))
              : options.kept ? runtime::HomeLock::inherited(runtime::Fd(kept_lock))
                             : runtime::HomeLock::take(options.home.supervisor_lock());
  if (!lock && lock.error().kind == runtime::HomeErrorKind::held) {
    runtime::log::error(
        room,
        "{}: a mesh runs already with this state folder; stop it with `control-plane stop --home "
        "{}`, then start this again",
        lock.error().detail, options.home.state());
    co_return not_begun(carried.has_value());
  }
  if (!lock) {
    runtime::log::error(room, "{}", lock.error().detail);
    co_return not_begun(carried.has_value());
  }
  if (auto prepared = carried ? runtime::HomeResult<void>() : options.home.prepare(); !prepared) {
    runtime::log::error(room, "{}", prepared.error().detail);
    co_return not_begun(carried.has_value());
  }
  if (const auto exposure = options.home.exposure()) runtime::log::warning(room, "{}", *exposure);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  runtime::raise_file_limit(carried ? std::optional(carried->file_limit) : std::nullopt);
  runtime::Signals signals(reactor, {SIGCHLD, SIGTERM, SIGINT, SIGHUP});
  auto state = carried ? SupervisorState{carried->identity, carried->cgroup_root, carried->ports}
                       : co_await take_over(reactor, options);
  if (!state) co_return not_begun(carried.has_value());
  // From the start on, for at a limit of processes none could be started.
  auto thread = runtime::WorkThread::start();
  if (!thread) {
    runtime::log::error(room, "cannot start the thread that it needs: {}", thread.error().message());
    co_return not_begun(carried.has_value());
  }
  // The last that may fail: by this socket its keeper knows one that has begun.
  auto listening = carried ? runtime::IoResult<runtime::Fd>(take_carried(carried->listening))
                           : runtime::listen_messages(options.home.supervisor_socket());
  if (!listening) {
    runtime::log::error(room, "cannot listen on {}: {}", options.home.supervisor_socket(),
                        listening.error().message());
    co_return not_begun(carried.has_value());
  }

  const auto home = options.home;
  Supervisor supervisor(reactor, std::move(options), std::move(*state), signals, *lock, std::move(*thread),
                        std::move(carried));
  runtime::log::info(room, "supervises {}", home.state());
  co_await supervisor.run(std::move(*listening));
  Volumes(VolumeFolders::of(home)).clear();
  home.remove_run_folder();
  lock->release();  // before the connections close: their ends tell that a new one may start
  runtime::log::info(room, "everything is stopped");
  co_return 0;
}

}  // namespace weft::provider::process
