#include "provider/process/group.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "provider/process/proc.h"
#include "runtime/log.h"

namespace weft::provider::process {
namespace {

/// How long killed processes may take to be gone; longer means that one sleeps in the kernel (state D).
constexpr auto kill_limit = std::chrono::seconds(5);
/// Looked at again after so long, doubled up to the second.
constexpr auto first_look = std::chrono::milliseconds(1);
constexpr auto last_look = std::chrono::milliseconds(50);

/// A name for a directory: '/' cannot be in one, '_' is in no name of an instance.
std::string cgroup_name(std::string name) {
  std::ranges::replace(name, '/', '_');
  return name;
}

/// Calls `kill_once` (true: somebody was left) until nobody is, or until kill_limit.
runtime::Task<bool> repeat(runtime::Reactor& reactor, std::function<bool()> kill_once) {
  auto deadline = reactor.clock().now() + kill_limit;
  base::Duration pause = first_look;
  while (kill_once()) {
    if (reactor.clock().now() > deadline) co_return false;
    co_await reactor.sleep(pause);
    pause = std::min<base::Duration>(pause * 2, last_look);
  }
  co_return true;
}

/// False if there was none but this process itself.
bool kill_all(const std::vector<ProcessInfo>& processes) {
  bool any = false;
  for (const auto& process : processes) {
    if (process.pid == ::getpid()) continue;
    kill_exactly(process);
    any = true;
  }
  return any;
}

/// The errors by which clone3 refuses a cgroup (clone(2), cgroups(7)), as far as they are not exec's alone.
bool may_be_the_cgroup(int code) {
  return code == EACCES || code == EPERM || code == EOPNOTSUPP || code == EBUSY || code == EINVAL ||
         code == ENOSYS || code == ENODEV;
}

}  // namespace

runtime::IoResult<std::pair<runtime::Fd, runtime::Fd>> output_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return runtime::last_error();
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return std::pair(runtime::Fd(ends[0]), runtime::Fd(ends[1]));
}

Group::Group(Fence& fence, std::string name) : fence_(fence), name_(std::move(name)) {}

runtime::IoResult<Cgroup> Group::make_cgroup() const {
  return Cgroup::make(fmt::format("{}/{}", *fence_.cgroup_root, cgroup_name(name_)));
}

void Group::adopt(std::shared_ptr<Process> main, bool has_cgroup) {
  main_ = std::move(main);
  if (!has_cgroup || !fence_.cgroup_root) return;
  if (auto made = make_cgroup()) cgroup_.emplace(std::move(*made));
}

runtime::IoResult<std::shared_ptr<Process>> Group::start(const Program& program) {
  if (fence_.cgroup_root && !cgroup_) {
    auto made = make_cgroup();
    if (made) {
      cgroup_.emplace(std::move(*made));
    } else {
      runtime::log::warning("supervisor", "no cgroup for {}: {}", name_, made.error().message());
    }
  }
  auto process = spawn(program);
  if (!process && cgroup_ && may_be_the_cgroup(process.error().code)) {
    // The kernel's refusal of the cgroup and that of the program look alike: ask again without the first.
    auto held = std::move(cgroup_);
    cgroup_.reset();
    process = spawn(program);
    if (process) {
      runtime::log::warning("supervisor",
                            "cgroups cannot be used here; instances are told apart by their sessions");
      fence_.cgroup_root.reset();
    }
  }
  if (process) main_ = *process;
  return process;
}

runtime::IoResult<std::shared_ptr<Process>> Group::start_beside(const Program& program) {
  return spawn(program);
}

runtime::IoResult<std::shared_ptr<Process>> Group::spawn(const Program& program) {
  runtime::SpawnOptions options;
  options.argv = program.argv;
  options.environment = surroundings(program).environment;
  options.directory = program.directory;
  if (program.output >= 0) options.fds = {{program.output, 1}, {program.output, 2}};
  options.parent_death_signal = SIGKILL;
  options.oom_score_adj = program.oom_score_adj;
  if (const auto& who = program.credentials)
    options.user = runtime::SpawnUser{who->uid, who->gid, {who->groups.begin(), who->groups.end()}};
  runtime::Fd cgroup;
  if (cgroup_) {
    auto opened = cgroup_->open();
    if (!opened) return std::unexpected(opened.error());
    cgroup = std::move(*opened);
  }
  options.cgroup_fd = cgroup.get();
  return fence_.processes.spawn(options);
}

Surroundings Group::surroundings(const Program& program) const {
  auto environment = program.environment;
  environment[std::string(marker_variable)] = marker();
  return {to_strings(environment), program.directory, cgroup_ ? cgroup_->path() : std::string(),
          program.credentials};
}

void Group::signal(int number) const {
  if (!main_ || !main_->is_running()) return;
  // The leader of a session cannot leave its process group. Not reaped, so that the number cannot be somebody
  // else's.
  ::kill(-main_->pid, number);
}

bool Group::kill_once() const {
  if (cgroup_) {
    if (!cgroup_has_processes(cgroup_->path())) return false;
    kill_cgroup(cgroup_->path());
    return true;
  }
  if (!main_) return false;
  signal(SIGKILL);
  // Whatever the main process started is a descendant of this one, the subreaper; its orphans are children.
  if (!main_->is_running() && !has_orphans()) return false;
  return kill_all(below_main());
}

std::vector<pid_t> Group::members() const {
  if (cgroup_) return cgroup_processes(cgroup_->path());
  std::vector<pid_t> found;
  if (main_ && main_->is_running()) {
    for (const auto& process : below_main()) found.push_back(process.pid);
  }
  return found;
}

std::vector<ProcessInfo> Group::below_main() const {
  const pid_t self = ::getpid();
  const auto below =
      with_descendants(all_processes(), [&](const auto& process) { return process.parent == self; });
  const bool number_is_ours = main_->is_running() || !fence_.processes.is_own(main_->pid);
  return with_descendants(below, [&](const ProcessInfo& process) {
    if (process.session == main_->pid) return number_is_ours;
    return process.parent == self && !fence_.processes.is_own(process.pid) &&
           environment_variable(process.pid, marker_variable) == marker();
  });
}

bool Group::has_orphans() const {
  const auto children = own_children();
  return !children ||
         std::ranges::any_of(*children, [this](pid_t child) { return !fence_.processes.is_own(child); });
}

runtime::Task<bool> Group::kill() {
  const bool gone = co_await repeat(fence_.reactor, [this] { return kill_once(); });
  if (gone) cgroup_.reset();
  co_return gone;
}

runtime::Task<bool> clear_remains(runtime::Reactor& reactor, std::string identity, std::string cgroup_root) {
  auto prefix = identity + "/";
  bool cleared = co_await repeat(reactor, [&] {
    const auto all = all_processes();
    // One that is exiting shows no environment any more, but may still hold the sockets that it was given.
    bool left = std::ranges::any_of(all, [](const auto& process) { return process.is_exiting; });
    if (!cgroup_root.empty() && cgroup_has_processes(cgroup_root)) {
      kill_cgroup(cgroup_root);
      left = true;
    }
    return kill_all(with_descendants(
               all,
               [&](const ProcessInfo& process) {
                 return process.pid != ::getpid() &&
                        environment_variable(process.pid, marker_variable).starts_with(prefix);
               })) ||
           left;
  });
  if (!cgroup_root.empty()) remove_cgroup(cgroup_root);
  co_return cleared;
}

runtime::Task<bool> kill_descendants(runtime::Reactor& reactor, Processes& processes) {
  const pid_t self = ::getpid();
  co_return co_await repeat(reactor, [&processes, self] {
    processes.reap();
    return kill_all(with_descendants(all_processes(),
                                     [self](const ProcessInfo& process) { return process.parent == self; }));
  });
}

}  // namespace weft::provider::process
