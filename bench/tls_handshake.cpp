// What a handshake of TLS costs each side, and what a connection that rests keeps: with all measures of
// src/tls, without each one, and without any. Both sides are this thread, each with a reactor of its own, so
// that the thread's CPU clock tells them apart; a socket pair is between them.
//   bench_tls_handshake FOLDER ROUNDS
// FOLDER has authority.crt, server.crt, server.key, client.crt and client.key. Prints JSON: for each variant
// a number for each round, in microseconds or bytes.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <malloc.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/fd.h"
#include "runtime/reactor.h"
#include "runtime/scope.h"
#include "runtime/socket.h"
#include "tls/tls.h"

namespace weft::bench {
namespace {

using namespace std::chrono_literals;
using runtime::Task;

constexpr int handshakes_per_round = 100;
constexpr int resting_connections = 200;

struct Variant {
  std::string_view name;
  tls::Measures measures;
};
constexpr Variant variants[] = {
    {"all measures", {}},
    {"all measures again", {}},
    {"library not filtered", {.has_filtered_library = false}},
    {"chain built each time", {.sends_chain_as_is = false}},
    {"nothing verified is remembered", {.remembers_verified = false}},
    {"sessions within tickets", {.has_stateful_tickets = false}},
    {"groups not pinned", {.pins_groups = false}},
    {"buffers kept", {.releases_buffers = false}},
    {"no measure",
     {.has_filtered_library = false,
      .sends_chain_as_is = false,
      .remembers_verified = false,
      .has_stateful_tickets = false,
      .pins_groups = false,
      .releases_buffers = false}},
};

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

[[noreturn]] void give_up(std::string_view what) {
  fmt::print(stderr, "bench_tls_handshake: {}\n", what);
  std::exit(1);
}

template <class T>
T must(tls::Result<T> made) {
  if (!made) give_up(made.error().detail);
  return std::move(*made);
}

double cpu_us() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

/// One end of all connections of a variant.
struct Side {
  Side(std::shared_ptr<tls::SessionStore> store, tls::Measures measures)
      : library(std::move(store), measures) {}

  /// Does `work`, which is what this side does.
  template <class Work>
  void spend(Work work) {
    const auto start = cpu_us();
    work();
    us += cpu_us() - start;
  }

  runtime::Reactor reactor;
  tls::Library library;
  runtime::Scope tasks;
  std::vector<std::unique_ptr<tls::Connection>> kept;
  double us = 0;
};

class Pair {
 public:
  Pair(const std::string& folder, tls::Measures measures)
      : server_(tls::make_session_store(), measures), client_(nullptr, measures) {
    const auto keys = [&](const std::string& name) {
      return tls::KeyPair{text_of(folder + "/" + name + ".crt"), text_of(folder + "/" + name + ".key")};
    };
    const auto authority = text_of(folder + "/authority.crt");
    serving_ = server_.library.server({.own = keys("server"), .client_ca = authority}).value();
    calling_ =
        client_.library.client({.ca = authority, .name = "service.example", .own = keys("client")}).value();
  }

  struct Cost {
    double server = 0;
    double client = 0;
  };
  /// Of one handshake and the connection's end.
  Cost handshakes(bool resumes) {
    // The one that gets the session does not count.
    const auto resumption = resumes ? tls::make_resumption() : nullptr;
    if (resumes) connect(resumption, false, false);
    server_.us = client_.us = 0;
    for (int i = 0; i < handshakes_per_round; ++i) connect(resumption, resumes, false);
    return {server_.us / handshakes_per_round, client_.us / handshakes_per_round};
  }
  /// What stays allocated for one connection that rests.
  Cost memory() {
    const auto in_use = [] { return static_cast<double>(::mallinfo2().uordblks); };
    const auto before = in_use();
    server_.kept.reserve(resting_connections);
    client_.kept.reserve(resting_connections);
    for (int i = 0; i < resting_connections; ++i) connect(nullptr, false, true);
    const auto both = in_use();
    client_.kept.clear();
    const auto server = in_use();
    server_.kept.clear();
    return {(server - before) / resting_connections, (both - server) / resting_connections};
  }

 private:
  static Task<void> serve(Side& side, std::shared_ptr<tls::ServerContext> context, runtime::Fd fd,
                          bool keeps) {
    auto connection = must(co_await tls::accept(
        side.reactor, std::move(context),
        std::make_unique<runtime::Socket>(side.reactor, std::move(fd), base::Address{}), 5s));
    // The client has its ticket once it has this.
    if (!co_await runtime::write_all(*connection, "!")) give_up("the server cannot write");
    char none = 0;
    if (keeps) {
      side.kept.push_back(std::move(connection));
    } else if (const auto got = co_await runtime::read(*connection, {&none, 1}); !got || *got > 0) {
      give_up("the client does not end well");
    }
  }
  static Task<void> call(Side& side, std::shared_ptr<tls::ClientContext> context, runtime::Fd fd,
                         std::shared_ptr<tls::Resumption> resumption, bool resumes, bool keeps) {
    auto connection = must(
        co_await tls::connect(side.reactor, std::move(context),
                              std::make_unique<runtime::Socket>(side.reactor, std::move(fd), base::Address{}),
                              {}, std::move(resumption), 5s));
    if (connection->is_resumed() != resumes) give_up(resumes ? "it was not resumed" : "it was resumed");
    char one = 0;
    if (const auto got = co_await runtime::read(*connection, {&one, 1}); !got || *got == 0)
      give_up("the server does not write");
    if (keeps) side.kept.push_back(std::move(connection));
  }

  void connect(const std::shared_ptr<tls::Resumption>& resumption, bool resumes, bool keeps) {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
      give_up("no socket pair");
    runtime::Fd near(fds[0]);
    runtime::Fd far(fds[1]);
    // Others' turns may have taken long: a limit counts from the last time that a reactor looked at the
    // clock.
    for (auto* side : {&server_, &client_}) side->reactor.poll();
    server_.spend([&] { server_.tasks.spawn(serve(server_, serving_, std::move(far), keeps)); });
    client_.spend(
        [&] { client_.tasks.spawn(call(client_, calling_, std::move(near), resumption, resumes, keeps)); });
    while (server_.tasks.size() + client_.tasks.size() > 0) {
      for (auto* side : {&server_, &client_}) {
        side->spend([&] {
          while (side->reactor.poll()) {
          }
        });
      }
    }
  }

  Side server_;
  Side client_;
  std::shared_ptr<tls::ServerContext> serving_;
  std::shared_ptr<tls::ClientContext> calling_;
};

struct Figures {
  std::vector<double> full_server, full_client, resumed_server, resumed_client;
};

void run(const std::string& folder, int rounds) {
  std::vector<std::unique_ptr<Pair>> pairs;
  for (const auto& variant : variants) pairs.push_back(std::make_unique<Pair>(folder, variant.measures));
  std::vector<Figures> figures(pairs.size());
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const auto full = pairs[i]->handshakes(false);
      const auto resumed = pairs[i]->handshakes(true);
      figures[i].full_server.push_back(full.server);
      figures[i].full_client.push_back(full.client);
      figures[i].resumed_server.push_back(resumed.server);
      figures[i].resumed_client.push_back(resumed.client);
    }
  }
  fmt::print("{{");
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto& one = figures[i];
    const auto memory = pairs[i]->memory();
    fmt::print(
        "{}\"{}\": {{\"full server\": {}, \"full client\": {}, \"resumed server\": {}, \"resumed client\": "
        "{}, \"bytes server\": [{}], \"bytes client\": [{}]}}",
        i == 0 ? "" : ",\n", variants[i].name, one.full_server, one.full_client, one.resumed_server,
        one.resumed_client, memory.server, memory.client);
  }
  fmt::print("}}\n");
}

}  // namespace
}  // namespace weft::bench

int main(int count, char** words) {
  if (count != 3) return 2;
  weft::bench::run(words[1], std::atoi(words[2]));
}
