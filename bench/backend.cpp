// A backend for benchmarks: answers every request on a keep-alive connection with a body of one size, at the
// least cost.
//   bench_backend ADDRESS BODY_BYTES
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/address.h"
#include "http/h1/reader.h"
#include "runtime/scope.h"
#include "runtime/socket.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace {

using weft::runtime::Task;

Task<void> answer_all(std::unique_ptr<weft::runtime::Stream> stream, const std::string& response) {
  weft::http::h1::RequestReader reader(*stream);
  while (co_await reader.read_head()) {
    while (!reader.body_done()) {
      if (!co_await reader.read_body()) co_return;
    }
    iovec part{const_cast<char*>(response.data()),
               response.size()};  // Write does not change what it points to
    if (!co_await weft::runtime::write(*stream, {&part, 1})) co_return;
  }
}

Task<int> serve(weft::runtime::Reactor& reactor, weft::base::Address address, std::string response) {
  auto fd = weft::runtime::listen_on(address);
  if (!fd) {
    fmt::print(stderr, "cannot listen on {}: {}\n", address.to_string(), fd.error().message());
    co_return 1;
  }
  weft::runtime::Acceptor acceptor(reactor, std::move(*fd));
  weft::runtime::Scope scope;
  fmt::print("ready\n");
  std::fflush(stdout);
  while (auto stream = co_await acceptor.accept()) scope.spawn(answer_all(std::move(*stream), response));
  co_return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const auto address = argc == 3 ? weft::base::Address::parse(argv[1]) : std::nullopt;
  if (!address) {
    fmt::print(stderr, "usage: bench_backend ADDRESS BODY_BYTES\n");
    return 2;
  }
  const auto size = static_cast<std::size_t>(std::atol(argv[2]));
  const auto response = fmt::format(
      "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nserver: bench\r\ncontent-length: {}\r\n\r\n{}", size,
      std::string(size, 'x'));
  weft::runtime::Reactor reactor;
  return reactor.block_on(serve(reactor, *address, response));
}
