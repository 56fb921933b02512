#include "provider/process/proc.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <unordered_set>

#include "runtime/fd.h"
#include "runtime/process.h"

namespace weft::provider::process {
namespace {

namespace fs = std::filesystem;

/// PF_EXITING of the kernel's include/linux/sched.h.
constexpr unsigned exiting_flag = 0x4;

/// The whole of a small file under /proc, empty if it cannot be read.
std::string read_file(const std::string& path) {
  const runtime::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  if (!fd) return text;
  char buffer[16384];
  ssize_t got = 0;
  while ((got = ::read(fd.get(), buffer, sizeof buffer)) > 0)
    text.append(buffer, static_cast<std::size_t>(got));
  return text;
}

std::optional<pid_t> parse_pid(std::string_view name) {
  pid_t pid = 0;
  auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return pid;
}

std::optional<ProcessInfo> look_at(pid_t pid) {
  auto text = read_file(fmt::format("/proc/{}/stat", pid));
  // The name stands in brackets and may hold anything, so that the fields are counted from its end.
  auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  ProcessInfo info;
  info.pid = pid;
  int group = 0;
  unsigned flags = 0;
  unsigned long long started = 0;
  int fields = std::sscanf(text.c_str() + name_end + 1,
                           " %c %d %d %d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                           &info.state, &info.parent, &group, &info.session, &flags, &started);
  if (fields != 6) return std::nullopt;
  info.is_exiting = (flags & exiting_flag) != 0 && info.state != 'Z';
  info.started = started;
  return info;
}

struct Listener {
  std::string inode;
  std::string uid;
};

/// Searches /proc/net/tcp or tcp6 for a socket that listens (state 0A) on `port`.
std::optional<Listener> find_listener(const std::string& table, std::uint16_t port) {
  std::istringstream lines(read_file(table));
  std::string line;
  auto wanted = fmt::format(":{:04X}", port);
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string slot;
    std::string local;
    std::string remote;
    std::string state;
    std::string queues;
    std::string timer;
    std::string retransmits;
    Listener found;
    std::string timeout;
    fields >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> found.uid >> timeout >>
        found.inode;
    if (state == "0A" && local.ends_with(wanted)) return found;
  }
  return std::nullopt;
}

bool holds_socket(pid_t pid, const std::string& link) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/fd", pid), error)) {
    std::error_code unreadable;
    if (fs::read_symlink(entry.path(), unreadable).string() == link) return true;
  }
  return false;
}

}  // namespace

std::vector<ProcessInfo> all_processes() {
  std::vector<ProcessInfo> result;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    auto pid = parse_pid(entry.path().filename().native());
    if (!pid) continue;
    if (auto info = look_at(*pid)) result.push_back(*info);
  }
  return result;
}

std::optional<std::vector<pid_t>> own_children() {
  std::vector<pid_t> result;
  std::error_code error;
  for (const auto& thread : fs::directory_iterator("/proc/self/task", error)) {
    std::ifstream file(thread.path() / "children");
    if (!file) return std::nullopt;
    for (pid_t pid = 0; file >> pid;) result.push_back(pid);
  }
  if (error) return std::nullopt;
  return result;
}

std::string environment_variable(pid_t pid, std::string_view name) {
  auto text = read_file(fmt::format("/proc/{}/environ", pid));
  std::string_view rest = text;
  while (!rest.empty()) {
    auto entry = rest.substr(0, rest.find('\0'));
    if (entry.starts_with(name) && entry.substr(name.size()).starts_with('=')) {
      return std::string(entry.substr(name.size() + 1));
    }
    rest.remove_prefix(std::min(entry.size() + 1, rest.size()));
  }
  return {};
}

std::string command_of(pid_t pid) {
  auto text = read_file(fmt::format("/proc/{}/cmdline", pid));
  while (text.ends_with('\0')) text.pop_back();
  for (char& c : text) {
    if (c == '\0') c = ' ';
  }
  return text;
}

void kill_exactly(const ProcessInfo& process) {
  const auto pidfd = runtime::open_pidfd(process.pid);
  if (!pidfd) return;
  auto now = look_at(process.pid);
  if (!now || now->started != process.started) return;
  (void)runtime::send_signal(pidfd->get(), SIGKILL);
}

std::vector<ProcessInfo> with_descendants(const std::vector<ProcessInfo>& all,
                                          const std::function<bool(const ProcessInfo&)>& is_root) {
  std::unordered_set<pid_t> members;
  for (const auto& process : all) {
    if (is_root(process)) members.insert(process.pid);
  }
  // Children may stand before their parents: repeat until nothing is added.
  for (bool grown = !members.empty(); grown;) {
    grown = false;
    for (const auto& process : all) {
      if (members.contains(process.parent) && members.insert(process.pid).second) grown = true;
    }
  }
  std::vector<ProcessInfo> result;
  for (const auto& process : all) {
    if (process.state != 'Z' && members.contains(process.pid)) result.push_back(process);
  }
  return result;
}

std::string describe_listener(std::uint16_t port) {
  auto found = find_listener("/proc/net/tcp", port);
  if (!found) found = find_listener("/proc/net/tcp6", port);
  if (!found) return {};
  auto link = fmt::format("socket:[{}]", found->inode);
  for (const auto& process : all_processes()) {
    if (!holds_socket(process.pid, link)) continue;
    auto command = command_of(process.pid);
    return command.empty() ? fmt::format("process {}", process.pid)
                           : fmt::format("process {} ({})", process.pid, command);
  }
  return fmt::format("a process of user {}", found->uid);
}

}  // namespace weft::provider::process
