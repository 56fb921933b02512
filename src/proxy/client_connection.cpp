#include "proxy/client_connection.h"

#include <utility>

#include "proxy/worker.h"

namespace weft::proxy {

ClientConnection::ClientConnection(Worker& of, LocalPtr<ListenerState> from, const base::Address& client,
                                   Peer caller)
    : worker(of),
      listener(std::move(from)),
      peer(std::move(caller)),
      address(peer.header && peer.header->source ? peer.header->source : client),
      generation_(peer.generation.value_or(listener->generation)) {
  ++listener->connections;
  if (peer.context) return;
  ++worker.shard.proxy.downstream_connections;
  active_ = &worker.shard.proxy.downstream_connections_active;
  ++*active_;
}

ClientConnection::~ClientConnection() {
  if (active_ != nullptr) --*active_;
  --listener->connections;
  streams_ = 0;
  count_streams();
  if (listener->config->drain) worker.tell_drain_progress();
}

Peer ClientConnection::give_up_peer() {
  if (active_ != nullptr) --worker.shard.proxy.downstream_connections;
  return {peer.context,          peer.is_chain,          peer.is_tls,
          std::move(peer.share), std::move(peer.header), generation_};
}

void ClientConnection::begin_stream() {
  ++streams_;
  count_streams();
}

void ClientConnection::end_stream() {
  --streams_;
  count_streams();
}

void ClientConnection::count_requests(std::uint32_t under_way) {
  under_way_ = under_way;
  if (streams_ > 0) count_streams();
}

void ClientConnection::count_streams() {
  const bool has_only = streams_ > 0 && streams_ >= under_way_;
  if (std::exchange(has_only_streams_, has_only) == has_only) return;
  auto& all = worker.shard.proxy.streams_active;
  if (!has_only) {
    --listener->streams;
    --all;
    return;
  }
  ++listener->streams;
  ++all;
  if (listener->config->drain) worker.tell_drain_progress();
}

bool ClientConnection::is_ending() const {
  return listener->is_removed() || listener->config->drain || listener->generation != generation_ ||
         worker.is_draining() || requests >= worker.limits().max_requests_per_connection;
}

telemetry::Ends ClientConnection::ends(const snapshot::Listener& of, const snapshot::Cluster* cluster,
                                       const std::string& destination) const {
  const auto& context = listener->context->id;
  const bool is_inbound = of.direction == snapshot::Direction::inbound;
  const bool has_service = !is_inbound && cluster != nullptr && !cluster->service.empty();
  telemetry::Ends ends;
  ends.reporter = is_inbound ? telemetry::Reporter::destination : telemetry::Reporter::source;
  ends.source_workload = is_inbound ? peer.id().workload : context.workload;
  ends.source_workload_namespace = is_inbound ? peer.id().ns : context.ns;
  ends.destination_workload = is_inbound ? context.workload : destination;
  ends.service = has_service ? cluster->service : of.service;
  ends.service_namespace = has_service ? cluster->service_ns : of.service_ns;
  return ends;
}

}  // namespace weft::proxy
