#include "provider/process/proc.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <unordered_set>
#include <utility>

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

/// A TCP socket of this machine that listens.
struct Listener {
  base::Address address;
  std::string uid;
  std::string inode;
};

/// "0100007F:1F90" of /proc/net/tcp, or the longer form of tcp6: words of the machine's own byte order.
base::Address parse_local(std::string_view text) {
  const auto colon = text.find(':');
  std::array<std::uint8_t, 16> bytes{};
  unsigned port = 0;
  if (colon == std::string_view::npos || colon > 2 * bytes.size()) return {};
  for (std::size_t at = 0; at < colon; at += 8) {
    std::uint32_t word = 0;
    std::from_chars(text.data() + at, text.data() + at + 8, word, 16);
    std::memcpy(bytes.data() + at / 2, &word, sizeof word);
  }
  std::from_chars(text.data() + colon + 1, text.data() + text.size(), port, 16);
  const auto number = static_cast<std::uint16_t>(port);
  // An IPv4 address in IPv6's form (RFC 4291, 2.5.5.2), as Java's sockets have it.
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (colon > 8 && std::ranges::equal(std::span(bytes).first<12>(), mapped))
    return base::Address::ipv4({bytes[12], bytes[13], bytes[14], bytes[15]}, number);
  if (colon > 8) return base::Address::ipv6(bytes, number);
  return base::Address::ipv4({bytes[0], bytes[1], bytes[2], bytes[3]}, number);
}

/// All that listen (state 0A), IPv4 first (proc_pid_net(5)).
std::vector<Listener> all_listeners() {
  std::vector<Listener> found;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::istringstream lines(read_file(table));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream fields(line);
      std::string unused;
      std::string local;
      std::string state;
      Listener listener;
      fields >> unused >> local >> unused >> state;
      if (state != "0A") continue;
      fields >> unused >> unused >> unused >> listener.uid >> unused >> listener.inode;
      listener.address = parse_local(local);
      found.push_back(std::move(listener));
    }
  }
  return found;
}

/// Whether a socket that listens on [::] takes IPv4 too (IPV6_V6ONLY): no other one can then.
bool takes_ipv4(std::uint16_t port, const std::vector<Listener>& all) {
  const auto is_of_ipv4 = [&](const Listener& other) {
    return other.address.family() == base::Address::Family::ipv4 && other.address.port() == port;
  };
  if (std::ranges::any_of(all, is_of_ipv4)) return false;
  const runtime::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return fd && ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0;
}

base::Address reached_at(const base::Address& address, const std::vector<Listener>& all) {
  const auto is_any = std::ranges::all_of(address.bytes(), [](std::uint8_t byte) { return byte == 0; });
  if (!is_any) return address;
  const bool is_ipv4 = address.family() == base::Address::Family::ipv4;
  if (is_ipv4 || takes_ipv4(address.port(), all)) return base::Address::loopback(address.port());
  return *base::Address::parse_ip("::1", address.port());
}

/// Hands each socket that a process has open to `use`, as "socket:[4711]", until that returns false.
void for_each_socket(pid_t pid, const std::function<bool(std::string)>& use) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/fd", pid), error)) {
    std::error_code unreadable;
    auto link = fs::read_symlink(entry.path(), unreadable).string();
    if (link.starts_with("socket:") && !use(std::move(link))) return;
  }
}

std::string link_of(const Listener& listener) { return fmt::format("socket:[{}]", listener.inode); }

/// "process 123 (nginx)" of the first that has the socket open; empty if none is seen to.
std::string find_holder(const std::string& socket) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const auto pid = parse_pid(entry.path().filename().native());
    if (!pid) continue;
    bool holds = false;
    for_each_socket(*pid, [&](const std::string& other) { return !(holds = other == socket); });
    if (!holds) continue;
    return runtime::describe_process(*pid);
  }
  return {};
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

std::vector<base::Address> listening_addresses(std::span<const pid_t> processes) {
  std::unordered_set<std::string> sockets;
  for (const auto pid : processes)
    for_each_socket(pid, [&sockets](std::string link) {
      sockets.insert(std::move(link));
      return true;
    });
  if (sockets.empty()) return {};  // the tables of a busy machine are long
  const auto all = all_listeners();
  std::vector<base::Address> found;
  for (const auto& listener : all) {
    if (sockets.contains(link_of(listener))) found.push_back(reached_at(listener.address, all));
  }
  std::ranges::sort(found, {}, [](const auto& address) { return std::pair(address.port(), address); });
  const auto same = std::ranges::unique(found);
  found.erase(same.begin(), same.end());
  return found;
}

std::string Holders::describe(std::uint16_t port, base::MonoTime now) {
  const auto all = all_listeners();
  const auto found =
      std::ranges::find(all, port, [](const Listener& listener) { return listener.address.port(); });
  if (found == all.end()) return {};
  const auto socket = link_of(*found);
  if (const auto known = known_.find(socket); known != known_.end()) return known->second;
  auto words = fmt::format("a process of user {}", found->uid);
  if (now < next_search_) return words;
  next_search_ = now + search_pause;
  if (known_.size() >= most_known) known_.clear();
  if (auto holder = find_holder(socket); !holder.empty()) words = std::move(holder);
  return known_[socket] = std::move(words);
}

}  // namespace weft::provider::process
