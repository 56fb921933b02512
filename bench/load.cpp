// A client for benchmarks: keep-alive connections in a closed loop for a time; prints what came of it as one
// JSON line.
//   bench_load ADDRESS CONNECTIONS SECONDS
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/address.h"
#include "http/h1/reader.h"
#include "runtime/scope.h"
#include "runtime/socket.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace {

using namespace std::chrono_literals;
using weft::runtime::Task;

struct Result {
  std::uint64_t responses = 0;
  std::uint64_t errors = 0;
  std::vector<std::uint32_t> latencies_us;
};

Task<void> run_connection(weft::runtime::Reactor& reactor, weft::base::Address address,
                          weft::base::MonoTime end, Result& result) {
  const std::string request =
      "GET /some/path?with=query HTTP/1.1\r\nhost: service.example\r\nuser-agent: bench/1.0\r\n"
      "accept: */*\r\naccept-encoding: gzip\r\n\r\n";
  auto stream = co_await weft::runtime::connect(reactor, address, 5s);
  if (!stream) {
    ++result.errors;
    co_return;
  }
  weft::http::h1::ResponseReader reader(**stream);
  while (reactor.coarse_now() < end) {
    const auto start = reactor.clock().now();
    iovec part{const_cast<char*>(request.data()), request.size()};  // Write does not change what it points to
    const auto sent = co_await weft::runtime::write(**stream, {&part, 1});
    const auto head = co_await reader.read_head(weft::message::Method::get);
    if (!sent || !head || reader.head().status != 200) {
      ++result.errors;
      co_return;
    }
    while (!reader.body_done()) {
      if (!co_await reader.read_body()) {
        ++result.errors;
        co_return;
      }
    }
    ++result.responses;
    result.latencies_us.push_back(static_cast<std::uint32_t>((reactor.clock().now() - start) / 1us));
  }
}

Task<void> run_all(weft::runtime::Reactor& reactor, weft::base::Address address, int connections,
                   double seconds, Result& result) {
  const auto end = reactor.clock().now() +
                   std::chrono::duration_cast<weft::base::Duration>(std::chrono::duration<double>(seconds));
  weft::runtime::Scope scope;
  for (int i = 0; i < connections; ++i) scope.spawn(run_connection(reactor, address, end, result));
  co_await scope.join();
}

std::uint32_t quantile(const std::vector<std::uint32_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1,
                         static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

}  // namespace

int main(int argc, char** argv) {
  const auto address = argc == 4 ? weft::base::Address::parse(argv[1]) : std::nullopt;
  if (!address) {
    fmt::print(stderr, "usage: bench_load ADDRESS CONNECTIONS SECONDS\n");
    return 2;
  }
  weft::runtime::Reactor reactor;
  Result result;
  result.latencies_us.reserve(1'000'000);
  reactor.block_on(run_all(reactor, *address, std::atoi(argv[2]), std::atof(argv[3]), result));
  std::ranges::sort(result.latencies_us);
  fmt::print("{{\"responses\": {}, \"errors\": {}, \"p50_us\": {}, \"p99_us\": {}}}\n", result.responses,
             result.errors, quantile(result.latencies_us, 0.5), quantile(result.latencies_us, 0.99));
  return result.errors == 0 ? 0 : 1;
}
