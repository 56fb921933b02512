#include "proxy/tunnel.h"

#include <cerrno>
#include <utility>

#include "http/h1/buffer.h"
#include "http/h1/limits.h"
#include "proxy/worker.h"
#include "runtime/combine.h"
#include "runtime/scope.h"

namespace weft::proxy {
namespace {

/// What one splice(2) is asked to move: all that the pipe takes.
constexpr std::size_t most_splice_bytes = 1 << 30;
/// A read that brings less than this is no bulk transfer: the next is by copy again, which is cheaper then.
constexpr std::size_t least_splice_bytes = http::h1::receive_buffer_bytes;

/// What both directions of a tunnel share: the two streams, which fail together, and the time since when no
/// byte has come. As long as bytes come that costs no timer: it looks only once in `idle`.
class Tunnel final : private runtime::Waiter {
 public:
  Tunnel(runtime::Reactor& reactor, runtime::Stream& client, runtime::Stream& upstream, base::Duration idle)
      : reactor_(reactor), client_(client), upstream_(upstream), idle_(idle), timer_(reactor, *this) {
    moved();
    if (idle_ > base::Duration::zero()) timer_.set(rests_since_ + idle_);
  }
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;
  ~Tunnel() {
    if (destroyed_ != nullptr) *destroyed_ = true;
  }

  void moved() { rests_since_ = reactor_.coarse_now(); }
  bool has_failed() const { return has_failed_; }
  void fail(runtime::IoError error) {
    has_failed_ = true;
    client_.fail(error);
    upstream_.fail(error);
  }

 private:
  void wake() override {
    // A slow side may be at what it was given before.
    const auto unsent = client_.unsent() + upstream_.unsent();
    const bool drains = unsent != 0 && unsent != std::exchange(unsent_, unsent);
    if (drains) moved();
    if (const base::MonoTime end = rests_since_ + idle_; end > reactor_.coarse_now()) {
      timer_.set(end);
      return;
    }
    // Not fail(): the first may end the tunnel.
    has_failed_ = true;
    bool destroyed = false;
    destroyed_ = &destroyed;
    client_.fail({ETIMEDOUT});
    if (!destroyed) upstream_.fail({ETIMEDOUT});
    if (!destroyed) destroyed_ = nullptr;
  }

  runtime::Reactor& reactor_;
  runtime::Stream& client_;
  runtime::Stream& upstream_;
  base::Duration idle_;
  runtime::Timer timer_;
  base::MonoTime rests_since_;
  std::size_t unsent_ = 0;  // when the timer looked last
  bool has_failed_ = false;
  bool* destroyed_ = nullptr;  // while it fails the streams
};

/// Counts what one direction carries.
struct Count {
  std::uint64_t& bytes;
  telemetry::EndsSeries* series;
  void (telemetry::EndsSeries::*add)(std::uint64_t);

  void operator+=(std::size_t size) const {
    bytes += size;
    if (series != nullptr) (series->*add)(size);
  }
};

/// A pipe of the worker's while bulk moves. One that still holds bytes is not given back.
class PipeLoan {
 public:
  explicit PipeLoan(Worker& worker) : worker_(&worker), pipe_(worker.take_pipe()) {}
  PipeLoan(PipeLoan&& other) noexcept = default;
  PipeLoan& operator=(PipeLoan&&) = delete;
  ~PipeLoan() {
    if (!pipe_) return;
    if (holds == 0) {
      worker_->give_pipe(std::move(pipe_));
    } else {
      --worker_->shard.proxy.splice_pipes;
    }
  }

  explicit operator bool() const { return static_cast<bool>(pipe_); }
  const SplicePipe* operator->() const { return &pipe_; }
  /// Bytes that are in it.
  std::size_t holds = 0;

 private:
  Worker* worker_;
  SplicePipe pipe_;
};

/// One direction of a tunnel, to its end.
class Pump {
 public:
  Pump(Worker& worker, Tunnel& shared, runtime::Stream& from, runtime::Stream& to, Count count)
      : worker_(worker), shared_(shared), from_(from), to_(to), count_(count) {}

  runtime::Task<void> run(std::string_view first) {
    buffer_view_ = first;
    if (!co_await carry()) shared_.fail({ECONNRESET});
  }

 private:
  /// False if a side broke.
  runtime::Task<bool> carry();
  /// What came of moving bulk: it pauses, it is over or the side that it comes from has ended or broken,
  /// which the next read tells, or the other side broke.
  enum class Bulk : std::uint8_t { pauses, over, broken };
  /// Moves bulk through a pipe while that lasts. No pipe is held while it pauses.
  runtime::Task<Bulk> carry_by_pipe();

  Worker& worker_;
  Tunnel& shared_;
  runtime::Stream& from_;
  runtime::Stream& to_;
  Count count_;
  std::string_view buffer_view_;
  /// Holds memory only while it holds bytes.
  http::h1::Buffer buffer_;
  /// The last read was full: more is coming, and by pipe it is cheaper.
  bool is_bulk_ = false;
};

runtime::Task<bool> Pump::carry() {
  while (true) {
    if (!buffer_view_.empty()) {
      const auto size = buffer_view_.size();
      iovec part{const_cast<char*>(buffer_view_.data()), size};  // Write does not change what it points to
      if (!co_await runtime::write(to_, {&part, 1})) co_return false;
      count_ += size;
      shared_.moved();
      buffer_view_ = {};
      buffer_.clear();
    }
    if (!from_.may_read()) {
      buffer_.release_if_empty();
      co_await runtime::Wait(from_.readable());
    }
    if (is_bulk_) {
      buffer_.release_if_empty();
      const auto bulk = co_await carry_by_pipe();
      if (bulk == Bulk::broken) co_return false;
      is_bulk_ = bulk == Bulk::pauses;
      if (is_bulk_) co_await runtime::Wait(from_.readable());
      continue;
    }
    const auto room = buffer_.room();
    const auto size = from_.try_read(room);
    buffer_view_ = {room.data(), size.value_or(0)};
    if (size && *size == 0) break;
    if (!size) {
      if (!size.error().would_block()) co_return false;
      buffer_.release_if_empty();
      co_await runtime::Wait(from_.readable());
      continue;
    }
    buffer_.commit(*size);
    is_bulk_ = *size == http::h1::bulk_buffer_bytes && from_.fd() >= 0 && to_.fd() >= 0;
  }
  to_.shutdown_write();
  while (to_.holds_back()) co_await runtime::Wait(to_.writable());
  if (!shared_.has_failed()) to_.reset_at_close(false);
  co_return true;
}

runtime::Task<Pump::Bulk> Pump::carry_by_pipe() {
  PipeLoan pipe(worker_);
  if (!pipe) co_return Bulk::over;
  while (true) {
    const auto taken = from_.try_read_into(pipe->in.get(), most_splice_bytes);
    if (!taken) co_return taken.error().would_block() ? Bulk::pauses : Bulk::over;
    for (pipe.holds = *taken; pipe.holds > 0;) {
      const auto sent = to_.try_write_from(pipe->out.get(), pipe.holds);
      if (sent) {
        pipe.holds -= *sent;
        count_ += *sent;
        shared_.moved();
      } else if (sent.error().would_block()) {
        co_await runtime::Wait(to_.writable());
      } else {
        co_return Bulk::broken;
      }
    }
    if (*taken < least_splice_bytes) co_return Bulk::over;
  }
}

}  // namespace

runtime::Task<void> tunnel(Worker& worker, runtime::Stream& client, runtime::Stream& upstream,
                           std::string_view from_client, std::string_view from_upstream, base::Duration idle,
                           TunnelBytes& bytes, telemetry::EndsSeries* series) {
  using telemetry::EndsSeries;
  // Until all of the other side has come to its end, whatever ends this is a cut, and looks so.
  client.reset_at_close(true);
  upstream.reset_at_close(true);
  Tunnel shared(worker.reactor, client, upstream, idle);
  Pump up(worker, shared, client, upstream, {bytes.to_upstream, series, &EndsSeries::tcp_received});
  Pump down(worker, shared, upstream, client, {bytes.to_client, series, &EndsSeries::tcp_sent});
  runtime::Scope scope;
  scope.spawn(up.run(from_client));
  scope.spawn(down.run(from_upstream));
  co_await scope.join();
}

}  // namespace weft::proxy
