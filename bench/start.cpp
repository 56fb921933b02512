// How long a server takes from its fork to its first response, in microseconds; it is stopped then.
//   bench_start CORE PORT COMMAND...
// The server runs on CORE and answers "GET /0/" on 127.0.0.1:PORT; this process asks without a pause.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "runtime/fd.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto limit = std::chrono::seconds(20);
constexpr timeval answer_limit{1, 0};
constexpr std::string_view request = "GET /0/ HTTP/1.1\r\nhost: service.example\r\nconnection: close\r\n\r\n";

/// True if a response came.
bool asks(int port) {
  const weft::runtime::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &answer_limit, sizeof answer_limit);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return false;
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return false;
  char answer[16] = {};
  const auto got = ::recv(fd.get(), answer, sizeof answer, MSG_WAITALL);
  return got == sizeof answer && std::string_view(answer, sizeof answer).starts_with("HTTP/1.1 200");
}

pid_t start(int core, char** command) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(static_cast<std::size_t>(core), &cores);
  ::sched_setaffinity(0, sizeof cores, &cores);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);  // standard output is for the measurement
  ::execvp(command[0], command);
  ::_exit(127);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "usage: bench_start CORE PORT COMMAND...\n");
    return 2;
  }
  const int port = std::atoi(argv[2]);
  const auto begin = Clock::now();
  const pid_t pid = start(std::atoi(argv[1]), argv + 3);
  bool ok = false;
  bool is_running = true;
  while (!ok && is_running && Clock::now() - begin < limit) {
    ok = asks(port);
    is_running = ok || ::waitpid(pid, nullptr, WNOHANG) == 0;
  }
  const std::chrono::duration<double, std::micro> took = Clock::now() - begin;
  if (is_running) {
    ::kill(pid, SIGTERM);
    ::waitpid(pid, nullptr, 0);
  }
  if (!ok) {
    fmt::print(stderr, "bench_start: no response\n");
    return 1;
  }
  fmt::print("{:.0f}\n", took.count());
  return 0;
}
