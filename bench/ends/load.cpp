#include "ends/load.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/combine.h"
#include "runtime/scope.h"
#include "runtime/socket.h"

namespace weft::bench {
namespace {

using namespace std::chrono_literals;
using runtime::Reactor;
using runtime::Stream;
using runtime::Task;

constexpr std::string_view end_of_head = "\r\n\r\n";
/// Connections that are being opened at once by rest().
constexpr int openers = 32;
/// What one read of bulk may take where the bytes are dropped in the kernel.
constexpr std::size_t bulk_read_bytes = 1 << 20;
/// The same where they must be decrypted: some of the largest records (RFC 8446, 5.1).
constexpr std::size_t decrypted_bytes = 4 * 16'384;

std::string get(std::size_t body_bytes) {
  return fmt::format(
      "GET /{}/some/path?with=query HTTP/1.1\r\nhost: service.example\r\nuser-agent: bench/1.0\r\n"
      "accept: */*\r\naccept-encoding: gzip\r\n\r\n",
      body_bytes);
}

Task<bool> send(Stream& stream, std::string_view bytes) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};  // Write does not change what it points to
  co_return (co_await runtime::write(stream, {&part, 1})).has_value();
}

/// Drops at most `size` bytes of those that are there; without copying them out of the kernel, if it can.
runtime::IoResult<std::size_t> try_drop(Stream& stream, std::size_t size) {
  static std::array<char, decrypted_bytes> dropped;
  if (stream.fd() < 0) return stream.try_read(std::span(dropped).first(std::min(size, dropped.size())));
  const auto got = ::recv(stream.fd(), nullptr, size, MSG_TRUNC);
  if (got < 0) return runtime::last_error();
  return static_cast<std::size_t>(got);
}

/// Drops `size` bytes that are to come.
Task<bool> drop(Stream& stream, std::size_t size) {
  while (size > 0) {
    const auto got = try_drop(stream, size);
    if (got && *got > 0) {
      size -= *got;
    } else if (!got && got.error().would_block()) {
      co_await runtime::Wait(stream.readable());
    } else {
      co_return false;
    }
  }
  co_return true;
}

/// Reads a response to its end: status 200, and a body of `body_bytes` (what the backend sends; its framing
/// is not looked at).
Task<bool> take_response(Stream& stream, std::size_t body_bytes) {
  std::array<char, 8192> buffer;
  std::size_t size = 0;
  while (size < buffer.size()) {
    const auto got = co_await runtime::read(stream, std::span(buffer).subspan(size));
    if (!got || *got == 0) co_return false;
    size += *got;
    const std::string_view text(buffer.data(), size);
    const auto end = text.find(end_of_head);
    if (end == std::string_view::npos) continue;
    const auto whole = end + end_of_head.size() + body_bytes;
    if (!text.starts_with("HTTP/1.1 200") || size > whole) co_return false;
    co_return co_await drop(stream, whole - size);
  }
  co_return false;
}

void record(Reactor& reactor, base::MonoTime since, Result& result) {
  ++result.exchanges;
  result.latencies_ns.push_back(static_cast<std::uint32_t>((reactor.clock().now() - since) / 1ns));
}

Task<std::unique_ptr<tls::Connection>> open_tls(Reactor& reactor, const Load& load,
                                                std::shared_ptr<tls::Resumption> resumption) {
  auto stream = co_await runtime::connect(reactor, load.to, 5s);
  if (!stream) co_return nullptr;
  auto connection =
      co_await tls::connect(reactor, load.tls, std::move(*stream), {}, std::move(resumption), 5s);
  if (!connection) co_return nullptr;
  co_return std::move(*connection);
}

/// Opens the connection unless it is open. False if that failed.
Task<bool> open(Reactor& reactor, const Load& load, std::unique_ptr<Stream>& connection) {
  if (connection) co_return true;
  if (load.tls) {
    connection = co_await open_tls(reactor, load, nullptr);
  } else if (auto stream = co_await runtime::connect(reactor, load.to, 5s)) {
    connection = std::move(*stream);
  }
  co_return connection != nullptr;
}

/// One connection of a closed loop; `is_http` tells what it exchanges.
Task<void> loop_on_one(Reactor& reactor, const Load& load, bool is_http, base::MonoTime end,
                       std::unique_ptr<Stream>& connection, Result& result) {
  // No request begins with a zero: where any protocol is taken, these are bytes.
  const auto message = is_http ? get(load.body_bytes) : std::string(load.body_bytes, '\0');
  bool ok = co_await open(reactor, load, connection);
  while (ok && reactor.coarse_now() < end) {
    const auto start = reactor.clock().now();
    ok = co_await send(*connection, message);
    if (ok && is_http) {
      ok = co_await take_response(*connection, load.body_bytes);
    } else if (ok) {
      ok = co_await drop(*connection, load.body_bytes);
    }
    if (ok) record(reactor, start, result);
  }
  if (ok) co_return;
  ++result.errors;
  connection.reset();
}

Task<void> loop_on_all(Reactor& reactor, Load load, bool is_http, Connections& kept, Result& result) {
  kept.resize(static_cast<std::size_t>(load.connections));
  const auto end = reactor.clock().now() + load.duration;
  runtime::Scope scope;
  for (auto& connection : kept) scope.spawn(loop_on_one(reactor, load, is_http, end, connection, result));
  co_await scope.join();
}

Task<void> take_bulk(Reactor& reactor, const Load& load, base::MonoTime end, Result& result) {
  std::unique_ptr<Stream> stream;
  bool ok = co_await open(reactor, load, stream);
  while (ok && reactor.coarse_now() < end) {
    const auto got = try_drop(*stream, bulk_read_bytes);
    if (got && *got > 0) {
      result.bytes += *got;
    } else if (!got && got.error().would_block()) {
      co_await runtime::Wait(stream->readable());
    } else {
      ok = false;
    }
  }
  if (!ok) ++result.errors;
}

/// Connects, is answered and closes, until the end. `returning` null: it knows no session.
Task<void> come_again(Reactor& reactor, const Load& load, base::MonoTime end, Returning* returning,
                      Result& result) {
  const auto request = get(0);
  bool ok = true;
  while (ok && reactor.coarse_now() < end) {
    const auto start = reactor.clock().now();
    auto stream = co_await open_tls(reactor, load, returning ? returning->resumption : nullptr);
    ok = stream && stream->is_resumed() == (returning && std::exchange(returning->was_there, true)) &&
         co_await send(*stream, request) && co_await take_response(*stream, 0);
    if (ok) record(reactor, start, result);
  }
  if (!ok) ++result.errors;
}

/// Gives requests that are due to connections that are free; looks at the clock in every turn of the loop.
class Schedule final : public runtime::Waiter {
 public:
  Schedule(Reactor& reactor, const Load& load, Connections& kept, Result& result)
      : reactor_(reactor),
        load_(load),
        kept_(kept),
        result_(result),
        request_(get(load.body_bytes)),
        interval_(std::chrono::duration_cast<base::Duration>(
            std::chrono::duration<double>(1 / load.requests_per_second))),
        soon_(reactor, *this) {}
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;
  ~Schedule() = default;

  Task<void> run() {
    kept_.resize(static_cast<std::size_t>(load_.connections));
    runtime::Scope scope;
    for (auto& connection : kept_) scope.spawn(serve_one(connection));
    while (ready_ + static_cast<int>(result_.errors) < load_.connections) co_await reactor_.sleep(1ms);
    next_ = reactor_.clock().now();
    end_ = next_ + load_.duration;
    soon_.set();
    co_await scope.join();
  }

 private:
  bool is_over() const { return next_ >= end_ && due_.empty(); }
  void wake() override {
    for (const auto now = reactor_.clock().now(); next_ <= now && next_ < end_; next_ += interval_)
      due_.push_back(next_);
    while (!free_.empty() && (!due_.empty() || is_over())) {
      auto* connection = free_.back();
      free_.pop_back();
      connection->notify();
    }
    if (!is_over()) soon_.set();
  }
  Task<void> serve_one(std::unique_ptr<Stream>& connection) {
    bool ok = true;
    if (!connection) {
      // One exchange before the time counts, so that the way to the backend is open.
      ok = co_await open(reactor_, load_, connection) && co_await send(*connection, request_) &&
           co_await take_response(*connection, load_.body_bytes);
    }
    if (ok) ++ready_;
    runtime::Readiness go;
    while (ok) {
      if (due_.empty()) {
        if (end_ != base::MonoTime{} && is_over()) co_return;
        free_.push_back(&go);
        co_await runtime::Wait(go);
        if (due_.empty()) co_return;
      }
      const auto since = due_.front();
      due_.pop_front();
      ok = co_await send(*connection, request_) && co_await take_response(*connection, load_.body_bytes);
      if (ok) record(reactor_, since, result_);
    }
    ++result_.errors;
    connection.reset();
  }

  Reactor& reactor_;
  const Load& load_;
  Connections& kept_;
  Result& result_;
  std::string request_;
  base::Duration interval_;
  base::MonoTime next_{};
  base::MonoTime end_{};
  std::deque<base::MonoTime> due_;
  std::vector<runtime::Readiness*> free_;
  int ready_ = 0;
  runtime::Soon soon_;
};

}  // namespace

Task<void> closed_loop(Reactor& reactor, Load load, Connections& kept, Result& result) {
  co_await loop_on_all(reactor, std::move(load), true, kept, result);
}

Task<void> exchanges(Reactor& reactor, Load load, Connections& kept, Result& result) {
  co_await loop_on_all(reactor, std::move(load), false, kept, result);
}

Task<void> bulk(Reactor& reactor, Load load, Result& result) {
  const auto end = reactor.clock().now() + load.duration;
  runtime::Scope scope;
  for (int i = 0; i < load.connections; ++i) scope.spawn(take_bulk(reactor, load, end, result));
  co_await scope.join();
}

Task<void> open_loop(Reactor& reactor, Load load, Connections& kept, Result& result) {
  Schedule schedule(reactor, load, kept, result);
  co_await schedule.run();
}

Task<void> handshakes(Reactor& reactor, Load load, std::vector<Returning>* returning, Result& result) {
  const auto end = reactor.clock().now() + load.duration;
  const auto count = static_cast<std::size_t>(load.connections);
  while (returning && returning->size() < count) returning->push_back({tls::make_resumption()});
  runtime::Scope scope;
  for (std::size_t i = 0; i < count; ++i)
    scope.spawn(come_again(reactor, load, end, returning ? &(*returning)[i] : nullptr, result));
  co_await scope.join();
}

Task<void> rest(Reactor& reactor, Load load, bool asks, Connections& kept, Result& result) {
  const auto request = get(load.body_bytes);
  int left = load.connections;
  const auto open_some = [&]() -> Task<void> {
    while (left-- > 0) {
      std::unique_ptr<Stream> stream;
      bool ok = co_await open(reactor, load, stream);
      if (ok && asks)
        ok = co_await send(*stream, request) && co_await take_response(*stream, load.body_bytes);
      if (ok) {
        kept.push_back(std::move(stream));
        ++result.exchanges;
      } else {
        ++result.errors;
      }
    }
  };
  runtime::Scope scope;
  for (int i = 0; i < openers; ++i) scope.spawn(open_some());
  co_await scope.join();
}

}  // namespace weft::bench
