#include "proxy/tunnel.h"

#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "http/h1/buffer.h"
#include "http/h1/limits.h"
#include "proxy/attempts.h"
#include "proxy/client_connection.h"
#include "proxy/failure.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"
#include "runtime/combine.h"
#include "runtime/scope.h"
#include "telemetry/access.h"

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
  void fail(runtime::IoError error) {
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
  std::size_t unsent_ = 0;     // when the timer looked last
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

/// One opaque connection: what its steps share, and its record.
class Connection {
 public:
  Connection(Worker& of, LocalPtr<ListenerState> from, std::unique_ptr<runtime::Stream> client, Peer caller)
      : worker_(of),
        stream_(std::move(client)),
        client_(of, std::move(from), stream_->peer(), std::move(caller)),
        name_(client_.listener->config->name),
        direction_(client_.listener->config->direction),
        idle_timeout_(
            client_.listener->config->opaque_idle_timeout.value_or(worker_.limits().tunnel_idle_timeout)),
        start_(worker_.reactor.coarse_now()),
        wall_(worker_.reactor.coarse_wall()) {}
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  runtime::Task<void> run();

 private:
  /// A stream to one of the cluster's endpoints, by which place_ is taken; null if there is none that has
  /// room and answers.
  runtime::Task<std::unique_ptr<runtime::Stream>> connect(LocalPtr<ClusterState> cluster);

  Worker& worker_;
  std::unique_ptr<runtime::Stream> stream_;
  ClientConnection client_;
  std::string name_;
  std::string cluster_name_;
  snapshot::Direction direction_;
  base::Duration idle_timeout_;
  base::MonoTime start_;
  base::WallTime wall_;
  Attempts attempts_;
  /// At the last of them, once connected.
  std::optional<ConnectionPlace> place_;
  TunnelBytes bytes_;
  telemetry::EndsSeries* series_ = nullptr;
  Failure failure_ = Failure::none;
};

runtime::Task<std::unique_ptr<runtime::Stream>> Connection::connect(LocalPtr<ClusterState> cluster) {
  failure_ = Failure::no_healthy_endpoint;
  while (!attempts_.is_used_up()) {
    auto* picked = cluster->pick(attempts_.tried(), false);
    if (picked == nullptr) break;
    const LocalPtr endpoint(picked);
    if (!endpoint->has_room(cluster->max_connections())) {
      attempts_.pass_over(*endpoint);
      failure_ = Failure::too_many_pending;
      continue;
    }
    attempts_.begin(*endpoint);
    ConnectionPlace place(endpoint);
    auto opened = co_await open_stream(worker_, endpoint, client_.listener->context, direction_,
                                       Speaks::bytes, cluster->connect_timeout());
    if (opened) {
      failure_ = Failure::none;
      place.connected(opened->is_local);
      place_.emplace(std::move(place));
      co_return std::move(opened->stream);
    }
    place.failed();
    failure_ = opened.error();
  }
  co_return nullptr;
}

runtime::Task<void> Connection::run() {
  std::unique_ptr<runtime::Stream> upstream;
  {
    // The Snapshot is let go once the way is known: connections may last for days.
    const auto& listener = *client_.listener;
    const LocalPtr<Config> config = listener.pinned();
    const auto decision = config->plan->index.connection(listener.place);
    if (decision) {
      cluster_name_ = decision->cluster->name;
      upstream = co_await connect(config->clusters[decision->cluster_place]);
    } else {
      failure_ = failure_of(decision.error());
    }
    series_ =
        &worker_.shard.ends(client_.ends(*listener.config, decision ? decision->cluster : nullptr,
                                         attempts_.empty() ? std::string() : attempts_.endpoint().workload));
    series_->tcp_opened();
  }
  if (!upstream) {
    ++worker_.shard.proxy.refused;
    co_return;
  }
  client_.begin_stream();
  co_await tunnel(worker_, *stream_, *upstream, {}, {}, idle_timeout_, bytes_, series_);
}

Connection::~Connection() {
  if (series_ != nullptr) series_->tcp_closed();
  if (!worker_.logs_access() || (failure_ == Failure::none && !worker_.is_sampled())) return;
  telemetry::AccessRecord record;
  record.start = wall_;
  record.duration = worker_.reactor.coarse_now() - start_;
  record.listener = name_;
  record.source_workload = client_.peer.id().workload;
  record.source_namespace = client_.peer.id().ns;
  record.flag = flag_of(failure_);
  record.reason = describe(failure_);
  record.bytes_received = bytes_.to_upstream;
  record.bytes_sent = bytes_.to_client;
  record.cluster = cluster_name_;
  record.client = &client_.address;
  record.attempts = static_cast<int>(attempts_.count());
  if (!attempts_.empty()) {
    record.endpoint = attempts_.endpoint().instance();
    record.upstream = &attempts_.endpoint().address();
  }
  worker_.log_access(record);
}

}  // namespace

runtime::Task<void> tunnel(Worker& worker, runtime::Stream& client, runtime::Stream& upstream,
                           std::string_view from_client, std::string_view from_upstream, base::Duration idle,
                           TunnelBytes& bytes, telemetry::EndsSeries* series) {
  using telemetry::EndsSeries;
  Tunnel shared(worker.reactor, client, upstream, idle);
  Pump up(worker, shared, client, upstream, {bytes.to_upstream, series, &EndsSeries::tcp_received});
  Pump down(worker, shared, upstream, client, {bytes.to_client, series, &EndsSeries::tcp_sent});
  runtime::Scope scope;
  scope.spawn(up.run(from_client));
  scope.spawn(down.run(from_upstream));
  co_await scope.join();
}

runtime::Task<void> serve_tcp(Worker& worker, LocalPtr<ListenerState> listener,
                              std::unique_ptr<runtime::Stream> stream, Peer peer) {
  Connection connection(worker, std::move(listener), std::move(stream), std::move(peer));
  co_await connection.run();
}

}  // namespace weft::proxy
