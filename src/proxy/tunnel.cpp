#include "proxy/tunnel.h"

#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "proxy/failure.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"
#include "runtime/scope.h"
#include "telemetry/access.h"

namespace weft::proxy {
namespace {

constexpr std::size_t tunnel_buffer_bytes = 16 * 1024;

/// What both directions of a tunnel share.
struct Tunnel {
  runtime::Stream& client;
  runtime::Stream& upstream;
  base::Duration idle;
  // One for each: after an end of one side only the other stream has somebody who waits.
  runtime::Deadline client_limit;
  runtime::Deadline upstream_limit;

  void moved() {
    client_limit.expires_after(idle);
    upstream_limit.expires_after(idle);
  }
  void fail(runtime::IoError error) {
    client.fail(error);
    upstream.fail(error);
  }
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

runtime::Task<bool> send(runtime::Stream& to, const char* data, std::size_t size) {
  iovec part{const_cast<char*>(data), size};  // Write does not change what it points to
  co_return (co_await runtime::write(to, {&part, 1})).has_value();
}

runtime::Task<void> pump(Tunnel& shared, runtime::Stream& from, runtime::Stream& to, std::string_view first,
                         Count count) {
  if (!first.empty()) {
    count += first.size();
    if (!co_await send(to, first.data(), first.size())) {
      shared.fail({ECONNRESET});
      co_return;
    }
  }
  const auto buffer = std::make_unique_for_overwrite<char[]>(tunnel_buffer_bytes);
  while (true) {
    const auto size = co_await runtime::read(from, {buffer.get(), tunnel_buffer_bytes});
    if (size && *size == 0) break;
    if (!size || !co_await send(to, buffer.get(), *size)) {
      shared.fail({ECONNRESET});
      co_return;
    }
    count += *size;
    shared.moved();
  }
  to.shutdown_write();
}

/// One opaque connection: what its steps share, and its record.
class Connection {
 public:
  Connection(Worker& of, LocalPtr<ListenerState> from, std::unique_ptr<runtime::Stream> client, Peer caller)
      : worker_(of),
        listener_(std::move(from)),
        stream_(std::move(client)),
        peer_(std::move(caller)),
        name_(listener_->config->name),
        direction_(listener_->config->direction),
        start_(worker_.reactor.coarse_now()),
        wall_(worker_.reactor.clock().wall()) {
    ++worker_.shard.proxy.downstream_connections;
    ++worker_.shard.proxy.downstream_connections_active;
  }
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  runtime::Task<void> run();

 private:
  /// A stream to one of the cluster's endpoints, by which place_ is taken; null if there is none that has
  /// room and answers.
  runtime::Task<std::unique_ptr<runtime::Stream>> connect(LocalPtr<ClusterState> cluster);
  telemetry::Ends ends(const snapshot::Cluster* cluster) const;

  Worker& worker_;
  LocalPtr<ListenerState> listener_;
  std::unique_ptr<runtime::Stream> stream_;
  Peer peer_;
  std::string name_;
  std::string cluster_name_;
  snapshot::Direction direction_;
  base::MonoTime start_;
  base::WallTime wall_;
  LocalPtr<EndpointState> endpoint_;
  std::optional<ConnectionPlace> place_;
  int attempts_ = 0;
  TunnelBytes bytes_;
  telemetry::EndsSeries* series_ = nullptr;
  Failure failure_ = Failure::none;
};

/// Most endpoints that are tried for one connection.
constexpr std::size_t max_attempts = 4;

runtime::Task<std::unique_ptr<runtime::Stream>> Connection::connect(LocalPtr<ClusterState> cluster) {
  std::array<LocalPtr<EndpointState>, max_attempts> tried;
  failure_ = Failure::no_healthy_endpoint;
  for (std::size_t count = 0; count < max_attempts; ++count) {
    const LocalPtr endpoint(cluster->pick({tried.data(), count}, false));
    if (!endpoint) break;
    tried[count] = endpoint;
    if (!endpoint->has_room(cluster->max_connections())) {
      failure_ = Failure::too_many_pending;
      continue;
    }
    ++attempts_;
    ConnectionPlace place(endpoint);
    auto opened = co_await open_stream(worker_, endpoint, listener_->context->id, direction_,
                                       cluster->connect_timeout());
    if (opened) {
      failure_ = Failure::none;
      endpoint_ = endpoint;
      place.connected();
      place_.emplace(std::move(place));
      co_return std::move(opened->stream);
    }
    failure_ = opened.error();
  }
  co_return nullptr;
}

telemetry::Ends Connection::ends(const snapshot::Cluster* cluster) const {
  const auto& context = listener_->context->id;
  const bool is_inbound = direction_ == snapshot::Direction::inbound;
  const auto& listener = *listener_->config;
  telemetry::Ends ends;
  ends.reporter = is_inbound ? telemetry::Reporter::destination : telemetry::Reporter::source;
  ends.source_workload = is_inbound ? peer_.workload : context.workload;
  ends.source_workload_namespace = is_inbound ? peer_.ns : context.ns;
  ends.destination_workload = is_inbound ? context.workload : endpoint_ ? endpoint_->workload : std::string();
  const bool has_service = !is_inbound && cluster != nullptr && !cluster->service.empty();
  ends.service = has_service ? cluster->service : listener.service;
  ends.service_namespace = has_service ? cluster->service_ns : listener.service_ns;
  return ends;
}

runtime::Task<void> Connection::run() {
  std::unique_ptr<runtime::Stream> upstream;
  {
    // The Snapshot is let go once the way is known: connections may last for days.
    const LocalPtr<Config> config = listener_->is_removed ? listener_->last : listener_->context->config;
    const auto cluster = config->plan->index.connection(*listener_->config);
    if (cluster) {
      cluster_name_ = (*cluster)->name;
      upstream = co_await connect(LocalPtr(&config->state_of(**cluster)));
    } else {
      failure_ = failure_of(cluster.error());
    }
    series_ = &worker_.shard.ends(ends(cluster ? *cluster : nullptr));
    series_->tcp_opened();
  }
  if (!upstream) {
    ++worker_.shard.proxy.refused;
    co_return;
  }
  ++endpoint_->active;
  ++endpoint_->requests;
  co_await tunnel(worker_.reactor, *stream_, *upstream, {}, {}, worker_.limits().tunnel_idle_timeout, bytes_,
                  series_);
}

Connection::~Connection() {
  --worker_.shard.proxy.downstream_connections_active;
  if (endpoint_) --endpoint_->active;
  if (series_ != nullptr) series_->tcp_closed();
  if (!worker_.logs_access()) return;
  telemetry::AccessRecord record;
  record.start = wall_;
  record.duration = worker_.reactor.coarse_now() - start_;
  record.listener = name_;
  record.source_workload = peer_.workload;
  record.source_namespace = peer_.ns;
  record.flag = flag_of(failure_);
  record.reason = describe(failure_);
  record.bytes_received = bytes_.to_upstream;
  record.bytes_sent = bytes_.to_client;
  record.cluster = cluster_name_;
  const auto address = stream_->peer();
  record.client = &address;
  record.attempts = attempts_;
  if (endpoint_) {
    record.endpoint = endpoint_->instance();
    record.upstream = &endpoint_->address();
  }
  worker_.log_access(record);
}

}  // namespace

runtime::Task<void> tunnel(runtime::Reactor& reactor, runtime::Stream& client, runtime::Stream& upstream,
                           std::string_view from_client, std::string_view from_upstream, base::Duration idle,
                           TunnelBytes& bytes, telemetry::EndsSeries* series) {
  using telemetry::EndsSeries;
  Tunnel shared{client, upstream, idle, {reactor, client}, {reactor, upstream}};
  shared.moved();
  runtime::Scope scope;
  scope.spawn(
      pump(shared, client, upstream, from_client, {bytes.to_upstream, series, &EndsSeries::tcp_received}));
  scope.spawn(
      pump(shared, upstream, client, from_upstream, {bytes.to_client, series, &EndsSeries::tcp_sent}));
  co_await scope.join();
}

runtime::Task<void> serve_tcp(Worker& worker, LocalPtr<ListenerState> listener,
                              std::unique_ptr<runtime::Stream> stream, Peer peer) {
  Connection connection(worker, std::move(listener), std::move(stream), std::move(peer));
  co_await connection.run();
}

}  // namespace weft::proxy
