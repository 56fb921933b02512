// Both ends of what the proxies carry, clients and backends, in one process on one core, told on standard
// input what to do. While it measures it polls and never sleeps: no proxy pays for waking it.
//   bench_ends [FOLDER]
// First it prints its backends' ports, then for each line of input one line of what it saw, all as JSON:
//   http PORT CONNECTIONS SECONDS BYTES         GETs, the next one when a response has come
//   exchange PORT CONNECTIONS SECONDS BYTES     so many bytes there and back
//   bulk PORT CONNECTIONS SECONDS               bytes from the backend without an end
//   open PORT CONNECTIONS SECONDS BYTES RATE    GETs at a constant rate
//   rest PORT CONNECTIONS asking|silent         connections that do nothing more
//   h2 PORT CONNECTIONS SECONDS STREAMS         GETs over HTTP/2, so many at a time on each connection
//   unary PORT CONNECTIONS SECONDS RATE         gRPC calls at a constant rate
//   h2rest PORT CONNECTIONS STREAMS             connections with so many more streams that get no answer;
//                                               none: one that got one
//   handshakes PORT CONNECTIONS SECONDS full|resumed
//                                               connections of TLS that are answered once
//   close                                       all connections
// "tls-" before http, bulk or rest: over TLS, as a client whose certificate and key FOLDER has (client.crt,
// client.key), to a server that authority.crt there has signed. Connections stay, for the commands that name
// their port, until the next close.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ends/backend.h"
#include "ends/h2_load.h"
#include "ends/load.h"
#include "ends/message.h"
#include "runtime/process.h"
#include "runtime/socket.h"

namespace weft::bench {
namespace {

using runtime::Reactor;
using runtime::Task;

constexpr std::size_t most_latencies = 1'000'000;
constexpr std::size_t resting_body_bytes = 1024;
/// How long requests may be on their way to a backend that does not answer.
constexpr auto most_on_the_way = std::chrono::seconds(5);

/// Keeps the loop from sleeping as long as it lives.
class Spin final : public runtime::Waiter {
 public:
  explicit Spin(Reactor& reactor) : soon_(reactor, *this) { soon_.set(); }
  void wake() override { soon_.set(); }

 private:
  runtime::Soon soon_;
};

class Lines {
 public:
  explicit Lines(Reactor& reactor) : reactor_(reactor) {
    ::fcntl(STDIN_FILENO, F_SETFL, ::fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
  }
  /// Empty at the end.
  Task<std::string> next() {
    while (true) {
      if (const auto end = text_.find('\n'); end != std::string::npos) {
        auto line = text_.substr(0, end);
        text_.erase(0, end + 1);
        co_return line;
      }
      char buffer[256];
      const auto got = ::read(STDIN_FILENO, buffer, sizeof buffer);
      if (got < 0 && errno == EAGAIN) {
        co_await runtime::until_readable(reactor_, STDIN_FILENO);
      } else if (got <= 0) {
        co_return "";
      } else {
        text_.append(buffer, static_cast<std::size_t>(got));
      }
    }
  }

 private:
  Reactor& reactor_;
  std::string text_;
};

double quantile_us(const std::vector<std::uint32_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto at = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
  return sorted[std::min(sorted.size() - 1, at)] / 1e3;
}

void print(Result& result, base::Duration took) {
  std::ranges::sort(result.latencies_ns);
  fmt::print(
      "{{\"exchanges\": {}, \"bytes\": {}, \"errors\": {}, \"seconds\": {:.6f}, \"p50_us\": {:.3f}, "
      "\"p99_us\": {:.3f}}}\n",
      result.exchanges, result.bytes, result.errors, std::chrono::duration<double>(took).count(),
      quantile_us(result.latencies_ns, 0.5), quantile_us(result.latencies_ns, 0.99));
  std::fflush(stdout);
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Ends {
 public:
  Ends(Reactor& reactor, std::string folder) : reactor_(reactor), folder_(std::move(folder)) {
    result_.latencies_ns.reserve(most_latencies);
  }

  Task<int> run() {
    static constexpr std::pair<std::string_view, Backend> kinds[] = {
        {"http", Backend::http}, {"echo", Backend::echo}, {"bulk", Backend::bulk},
        {"h2", Backend::h2},     {"grpc", Backend::grpc}, {"mute", Backend::mute}};
    std::string ports;
    for (const auto& [name, kind] : kinds) {
      const auto port = serve(reactor_, backends_, kind);
      if (!port) co_return 1;
      ports += fmt::format("{}\"{}\": {}", ports.empty() ? "" : ", ", name, *port);
    }
    fmt::print("{{{}}}\n", ports);
    std::fflush(stdout);
    Lines lines(reactor_);
    while (true) {
      const auto line = co_await lines.next();
      if (line.empty()) co_return 0;
      result_.exchanges = result_.bytes = result_.errors = 0;
      result_.latencies_ns.clear();
      const auto start = reactor_.clock().now();
      if (!co_await obey(line)) co_return 2;
      print(result_, reactor_.clock().now() - start);
    }
  }

 private:
  Task<bool> obey(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    std::uint16_t port = 0;
    Load load;
    words >> verb >> port >> load.connections;
    if (verb == "close") {
      kept_.clear();
      kept_h2_.clear();
      returning_.clear();
      co_return true;
    }
    load.to = base::Address::loopback(port);
    constexpr std::string_view over_tls = "tls-";
    if (verb == "handshakes" || verb.starts_with(over_tls)) {
      load.tls = tls_context();
      if (!load.tls) co_return false;
    }
    if (verb.starts_with(over_tls)) verb.erase(0, over_tls.size());
    if (verb == "rest") {
      std::string how;
      words >> how;
      load.body_bytes = resting_body_bytes;
      co_await rest(reactor_, load, how == "asking", kept_[port], result_);
      co_return true;
    }
    if (verb == "h2rest") {
      words >> load.streams;
      load.body_bytes = h2_body_bytes;
      load.duration = most_on_the_way;
      co_await h2_rest(reactor_, load, kept_h2_[port], result_);
      co_return true;
    }
    co_return co_await measure(std::move(verb), words, std::move(load));
  }

  /// Obeys the commands that say how long.
  Task<bool> measure(std::string verb, std::istringstream& words, Load load) {
    const auto port = load.to.port();
    auto& kept = kept_[port];
    double seconds = 0;
    words >> seconds;
    std::string how;
    if (verb == "handshakes") {
      words >> how;
    } else if (verb == "h2") {
      words >> load.streams;
      load.body_bytes = h2_body_bytes;
    } else if (verb == "unary") {
      words >> load.requests_per_second;
      load.body_bytes = message.size();
    } else {
      words >> load.body_bytes >> load.requests_per_second;
    }
    load.duration = std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(seconds));
    const Spin spin(reactor_);
    if (verb == "http") {
      co_await closed_loop(reactor_, load, kept, result_);
    } else if (verb == "exchange") {
      co_await exchanges(reactor_, load, kept, result_);
    } else if (verb == "bulk") {
      co_await bulk(reactor_, load, result_);
    } else if (verb == "open") {
      co_await open_loop(reactor_, load, kept, result_);
    } else if (verb == "handshakes") {
      co_await handshakes(reactor_, load, how == "resumed" ? &returning_[port] : nullptr, result_);
    } else if (verb == "h2" || verb == "unary") {
      co_await h2_loop(reactor_, load, verb == "h2" ? Call::get : Call::unary, kept_h2_[port], result_);
    } else {
      fmt::print(stderr, "bench_ends: no such command: {}\n", verb);
      co_return false;
    }
    co_return true;
  }

  /// Null if the folder has none.
  std::shared_ptr<tls::ClientContext> tls_context() {
    if (tls_) return tls_;
    auto made =
        library_.client({.ca = text_of(folder_ + "/authority.crt"),
                         .name = "service.example",
                         .own = {text_of(folder_ + "/client.crt"), text_of(folder_ + "/client.key")}});
    if (made) {
      tls_ = std::move(*made);
    } else {
      fmt::print(stderr, "bench_ends: {}: {}\n", folder_, made.error());
    }
    return tls_;
  }

  Reactor& reactor_;
  std::string folder_;
  tls::Library library_{nullptr};
  std::shared_ptr<tls::ClientContext> tls_;
  runtime::Scope backends_;
  Result result_;
  std::map<std::uint16_t, Connections> kept_;
  std::map<std::uint16_t, H2Clients> kept_h2_;
  std::map<std::uint16_t, std::vector<Returning>> returning_;
};

}  // namespace
}  // namespace weft::bench

int main(int count, char** words) {
  // sendfile(2) knows no MSG_NOSIGNAL.
  std::signal(SIGPIPE, SIG_IGN);
  weft::runtime::raise_file_limit();
  weft::runtime::Reactor reactor;
  weft::bench::Ends ends(reactor, count > 1 ? words[1] : ".");
  return reactor.block_on(ends.run());
}
