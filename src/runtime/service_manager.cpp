#include "runtime/service_manager.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iterator>
#include <optional>

#include "runtime/log.h"
#include "runtime/socket.h"

namespace weft::runtime {
namespace {

/// Where the passed descriptors begin (SD_LISTEN_FDS_START).
constexpr int first_passed = 3;
/// More than any unit lists; what is beyond it is no number of descriptors.
constexpr int most_passed = 4096;

/// The variable, which is gone afterwards; empty if there is none.
std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value != nullptr ? value : "";
  ::unsetenv(name);
  return text;
}

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

bool is_of_service_manager(std::string_view variable) {
  constexpr std::string_view all[] = {"NOTIFY_SOCKET",  "LISTEN_PID",   "LISTEN_FDS",
                                      "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC"};
  return std::ranges::find(all, variable) != std::end(all);
}

std::vector<InheritedSocket> inherited_sockets() {
  const auto pid = number(take_variable("LISTEN_PID"));
  const auto count = number(take_variable("LISTEN_FDS"));
  const auto names = take_variable("LISTEN_FDNAMES");
  std::vector<InheritedSocket> sockets;
  if (!pid || *pid != ::getpid() || !count || *count > most_passed) return sockets;
  std::string_view rest = names;
  for (int fd = first_passed; fd < first_passed + *count; ++fd) {
    const auto end = std::min(rest.find(':'), rest.size());
    InheritedSocket socket{std::string(rest.empty() ? "unknown" : rest.substr(0, end)), {}, Fd(fd)};
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (auto taken = take_listening(fd); !taken) {
      log::warning("runtime",
                   "descriptor {} ({}) that the service manager passed is no listening stream socket: {}", fd,
                   socket.name, taken.error().message());
      continue;
    }
    socket.address = local_address(fd);
    sockets.push_back(std::move(socket));
  }
  return sockets;
}

bool has_service_manager() { return std::getenv("NOTIFY_SOCKET") != nullptr; }

void notify_manager(std::string_view state) {
  const char* where = std::getenv("NOTIFY_SOCKET");
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string_view path = where == nullptr ? "" : where;
  if ((!path.starts_with('/') && !path.starts_with('@')) || path.size() >= sizeof name.sun_path) return;
  std::memcpy(name.sun_path, path.data(), path.size());
  if (path.front() == '@') name.sun_path[0] = '\0';  // the abstract namespace (unix(7))
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  const Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return;
  ::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&name),
           size);
}

void notify_reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  notify_manager(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1'000'000 + now.tv_nsec / 1000));
}

}  // namespace weft::runtime
