#include "runtime/process.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "runtime/socket.h"

namespace weft::runtime {
namespace {

/// The kernel's own default for the hard limit's highest value.
constexpr rlim_t most_files = 1'048'576;
/// Most descriptors that a child is given.
constexpr std::size_t most_fds = 64;
/// What raise_file_limit() found; nothing if it was not called.
std::optional<rlimit> first_file_limit;

/// What the child needs, laid out before the clone: after it only async-signal-safe calls are allowed.
struct ChildPlan {
  std::vector<char*> argv;
  std::vector<char*> environment;
  std::string file;
  std::vector<std::pair<int, int>> fds;
  std::string oom_score_adj;  // empty: as it is
  const char* directory = nullptr;
  const SpawnUser* user = nullptr;
  bool new_session = true;
  int parent_death_signal = 0;
  pid_t parent = 0;
  int report = -1;  // the pipe that tells the parent why exec failed
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (const auto& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

/// A name without a slash is looked up in the PATH of the child's environment, as execvpe does.
std::string resolve(const std::string& file, const std::vector<std::string>& environment) {
  if (file.find('/') != std::string::npos) return file;
  for (const auto& entry : environment) {
    if (!entry.starts_with("PATH=")) continue;
    std::string_view rest = std::string_view(entry).substr(5);
    while (!rest.empty()) {
      const auto end = std::min(rest.find(':'), rest.size());
      const auto candidate = fmt::format("{}/{}", rest.substr(0, end), file);
      if (::access(candidate.c_str(), X_OK) == 0) return candidate;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return file;
}

[[noreturn]] void give_up(int report) {
  const int code = errno;
  [[maybe_unused]] const auto written = ::write(report, &code, sizeof code);
  ::_exit(127);
}

/// For the child after its clone too. 0 or an errno.
int write_oom_score_adj(const std::string& value) {
  if (value.empty()) return 0;
  const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int code = ::write(fd, value.data(), value.size()) < 0 ? errno : 0;
  ::close(fd);
  return code;
}

/// Closes all from 3 on but those that are still needed: the table may be full, and to move them takes free
/// numbers.
void close_unlisted(const ChildPlan& plan) {
  std::array<int, most_fds + 1> kept{};
  kept.fill(plan.report);
  std::ranges::transform(plan.fds, kept.begin(), [](const auto& pair) { return pair.first; });
  std::ranges::sort(kept);
  unsigned from = 3;
  for (const int fd : kept) {
    const auto number = static_cast<unsigned>(fd);
    if (number > from) ::syscall(SYS_close_range, from, number - 1, 0);
    from = std::max(from, number + 1);
  }
  ::syscall(SYS_close_range, from, ~0U, 0);
}

/// Puts the listed descriptors at their numbers and closes all others but `report`, which is moved out of the
/// way.
int arrange_fds(const ChildPlan& plan) {
  close_unlisted(plan);
  int base = 3;
  for (const auto& [from, to] : plan.fds) base = std::max(base, to + 1);
  // First all sources above the numbers that they go to, then each to its place: no order of moves can
  // overwrite one.
  const int report = ::fcntl(plan.report, F_DUPFD_CLOEXEC, base);
  if (report < 0) return -1;
  int null_fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null_fd < 0) return -1;
  null_fd = ::fcntl(null_fd, F_DUPFD_CLOEXEC, base);
  std::array<int, most_fds> lifted{};
  for (std::size_t i = 0; i < plan.fds.size(); ++i) {
    lifted[i] = ::fcntl(plan.fds[i].first, F_DUPFD_CLOEXEC, base);
    if (lifted[i] < 0) return -1;
  }
  for (int standard = 0; standard <= 2; ++standard) ::dup2(null_fd, standard);
  for (std::size_t i = 0; i < plan.fds.size(); ++i) {
    if (::dup2(lifted[i], plan.fds[i].second) < 0) return -1;
  }
  for (int fd = 3; fd < base; ++fd) {
    const bool kept = std::ranges::any_of(plan.fds, [fd](const auto& pair) { return pair.second == fd; });
    if (!kept) ::close(fd);
  }
  // Descriptors without close-on-exec that the process inherited itself must not travel on.
  ::syscall(SYS_close_range, static_cast<unsigned>(base), ~0U, CLOSE_RANGE_CLOEXEC);
  return report;
}

void set_parent_death_signal(const ChildPlan& plan) {
  if (plan.parent_death_signal == 0) return;
  ::prctl(PR_SET_PDEATHSIG, plan.parent_death_signal);
  if (::getppid() != plan.parent) ::_exit(127);  // the parent died before the signal was set
}

/// By system calls: the C library's own would ask all threads to follow, which this process has no more.
bool become(const SpawnUser& user) {
  return ::syscall(SYS_setgroups, user.groups.size(), user.groups.data()) == 0 &&
         ::syscall(SYS_setresgid, user.gid, user.gid, user.gid) == 0 &&
         ::syscall(SYS_setresuid, user.uid, user.uid, user.uid) == 0;
}

[[noreturn]] void run_child(const ChildPlan& plan) {
  if (plan.new_session) ::setsid();
  set_parent_death_signal(plan);
  // Handlers fall away at exec, ignored signals and the mask do not.
  sigset_t none;
  sigemptyset(&none);
  for (const int number : {SIGPIPE, SIGXFSZ, SIGHUP, SIGINT, SIGTERM, SIGCHLD, SIGQUIT})
    ::signal(number, SIG_DFL);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int report = arrange_fds(plan);
  if (report < 0) give_up(plan.report);
  if (first_file_limit) ::setrlimit(RLIMIT_NOFILE, &*first_file_limit);
  write_oom_score_adj(plan.oom_score_adj);
  if (plan.user != nullptr) {
    if (!become(*plan.user)) give_up(report);
    set_parent_death_signal(plan);  // the kernel has cleared it (PR_SET_PDEATHSIG(2const))
  }
  if (plan.directory != nullptr && ::chdir(plan.directory) != 0) give_up(report);
  ::execve(plan.file.c_str(), plan.argv.data(), plan.environment.data());
  give_up(report);
}

/// clone3 as fork with a pidfd, and into a cgroup if there is one. Returns as fork does.
pid_t fork_with_pidfd(int cgroup_fd, int* pidfd) {
  clone_args args{};
  args.flags = CLONE_PIDFD;
  args.pidfd = reinterpret_cast<std::uintptr_t>(pidfd);
  args.exit_signal = SIGCHLD;
  if (cgroup_fd >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<std::uint64_t>(cgroup_fd);
  }
  return static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
}

}  // namespace

std::string ExitStatus::to_string() const {
  if (code) return fmt::format("exit code {}", *code);
  if (!signal) return "unknown end";
  const char* name = sigabbrev_np(*signal);
  return fmt::format("signal {} (SIG{})", *signal, name != nullptr ? name : "?");
}

int oom_score_adj() {
  int value = 0;
  std::ifstream("/proc/self/oom_score_adj") >> value;
  return value;
}

IoResult<void> set_oom_score_adj(int value) {
  if (const int code = write_oom_score_adj(std::to_string(value)); code != 0) return io_error(code);
  return {};
}

void raise_file_limit(std::optional<FileLimit> found) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  if (found) first_file_limit = {.rlim_cur = found->soft, .rlim_max = found->hard};
  if (!first_file_limit) first_file_limit = limit;
  limit.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, most_files));
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

FileLimit file_limit_of_children() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (first_file_limit) limit = *first_file_limit;
  return {.soft = limit.rlim_cur, .hard = limit.rlim_max};
}

IoError replace_this_process(const std::vector<std::string>& argv, const std::vector<int>& kept) {
  const auto arguments = pointers(argv);
  for (const int fd : kept) ::fcntl(fd, F_SETFD, 0);
  ::execv(argv.front().c_str(), arguments.data());
  const int code = errno;
  for (const int fd : kept) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return IoError{code};
}

IoResult<Child> spawn(const SpawnOptions& options) {
  if (options.argv.empty() || options.fds.size() > most_fds) return io_error(EINVAL);
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return last_error();
  Fd reader(report[0]);
  Fd writer(report[1]);
  const ChildPlan plan{.argv = pointers(options.argv),
                       .environment = pointers(options.environment),
                       .file = resolve(options.argv.front(), options.environment),
                       .fds = options.fds,
                       .oom_score_adj = options.oom_score_adj ? std::to_string(*options.oom_score_adj) : "",
                       .directory = options.directory.empty() ? nullptr : options.directory.c_str(),
                       .user = options.user ? &*options.user : nullptr,
                       .new_session = options.new_session,
                       .parent_death_signal = options.parent_death_signal,
                       .parent = ::getpid(),
                       .report = writer.get()};
  // No signal handler of ours may run in the child before exec.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  int pidfd = -1;
  const pid_t pid = fork_with_pidfd(options.cgroup_fd, &pidfd);
  const int fork_error = errno;
  if (pid == 0) run_child(plan);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return io_error(fork_error);

  Child child{pid, Fd(pidfd)};
  ::fcntl(pidfd, F_SETFL, O_NONBLOCK);
  writer.reset();
  int code = 0;
  ssize_t got = 0;
  // Ends when exec closes the pipe; that takes as long as the exec, well under a millisecond.
  do {
    got = ::read(reader.get(), &code, sizeof code);
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof code)) {
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED);
    return io_error(code);
  }
  return child;
}

Task<ExitStatus> wait_exit(Reactor& reactor, int pidfd) {
  co_await until_readable(reactor, pidfd);
  siginfo_t info{};
  ExitStatus status;
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED) != 0) co_return status;
  if (info.si_code == CLD_EXITED) {
    status.code = info.si_status;
  } else {
    status.signal = info.si_status;
  }
  co_return status;
}

IoResult<Fd> open_pidfd(pid_t pid) {
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return last_error();
  return pidfd;
}

IoResult<void> send_signal(int pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) != 0) return last_error();
  return {};
}

std::string describe_process(pid_t pid) {
  std::error_code hidden;  // another user's
  auto name = std::filesystem::read_symlink(fmt::format("/proc/{}/exe", pid), hidden).filename().string();
  if (constexpr std::string_view gone = " (deleted)"; name.ends_with(gone))
    name.resize(name.size() - gone.size());
  if (name.empty()) std::getline(std::ifstream(fmt::format("/proc/{}/comm", pid)) >> std::ws, name);
  std::ranges::replace_if(name, [](char c) { return c < ' ' || c > '~'; }, '?');
  return name.empty() ? fmt::format("process {}", pid) : fmt::format("process {} ({})", pid, name);
}

}  // namespace weft::runtime
