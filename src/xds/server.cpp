#include "xds/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "http/grpc/server.h"
#include "runtime/combine.h"
#include "runtime/credentials.h"
#include "runtime/log.h"
#include "runtime/scope.h"
#include "xds/names.h"
#include "xds/node.h"
#include "xds/serialize.h"
#include "xds/subscriber.h"

namespace weft::xds {
namespace {

using http::grpc::Code;
using http::grpc::ServerCall;
using http::grpc::Status;
using runtime::Task;
using snapshot::ContextId;

constexpr const char* delta_method =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
constexpr const char* world_method =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
// What follows is there twice: for the machine's own proxy, and for all others together, so that these cannot
// take from it what it needs.

/// Streams: one for each context of a large machine, with room.
constexpr std::uint32_t max_streams = 16 * 1024;
/// Of these, on one connection of others, which has one or a few: sixteen such connections make up the whole.
constexpr std::uint32_t max_streams_of_other = max_streams / 16;
/// Streams of one context, each of which remembers what it was sent: one, or one for each instance of a
/// workload that speaks xDS itself.
constexpr std::ptrdiff_t max_streams_of_context = 32;
/// The machine's proxy has one, with its predecessor's; workloads that speak xDS themselves have one for each
/// instance.
constexpr std::size_t max_connections = 128;
/// A request names the resources that the proxy has: some ten thousand at most.
constexpr std::size_t max_request_bytes = 4 * 1024 * 1024;
/// Such requests that are not complete, over all streams.
constexpr std::size_t max_unfinished_bytes = 4 * max_request_bytes;
/// Names that all streams together ask for: some hundred thousand. Beyond it who asks for most is ended.
constexpr std::size_t max_asked_bytes = 64 * 1024 * 1024;
/// Little may wait of it to be read.
constexpr std::uint32_t request_window = 128 * 1024;
/// gRPC's own fields have some hundred bytes.
constexpr std::uint32_t max_header_bytes = 8 * 1024;

http::grpc::ServerOptions options(std::uint32_t max_streams_of_connection) {
  http::grpc::ServerOptions options;
  options.max_message = max_request_bytes;
  options.max_unfinished = max_unfinished_bytes;
  options.limits.max_streams = max_streams_of_connection;
  options.limits.stream_window = request_window;
  options.limits.max_header_bytes = max_header_bytes;
  options.limits.is_local = true;
  return options;
}

struct Peer;

/// What is served within limits of its own.
struct Share {
  Share(runtime::Reactor& reactor, std::uint32_t max_streams_of_connection)
      : grpc(reactor, options(max_streams_of_connection)) {}
  http::grpc::Server grpc;
  std::set<Peer*> peers;
  std::size_t asked_bytes = 0;
};

/// One open stream.
struct Peer {
  NodeId node;
  Share& share;
  std::uint64_t number = 0;  // in the order of their coming
  /// It tells when nothing is under way any more at a listener that drains.
  bool tells_drained = false;
  Subscriber subscriber;
  std::optional<Nack> nack;
  runtime::Event dirty;
  runtime::Event displaced;
  bool queued = false;
};

bool is_foreign(const Peer* peer) { return peer->node.is_foreign(); }
struct Context : std::enable_shared_from_this<Context> {
  /// By proxy.
  std::map<std::string, InventoryPtr, std::less<>> latest;
  Translations translations;
  std::vector<Peer*> peers;
  /// Set, and replaced by a new one, whenever those who wait in settled() should look again.
  std::shared_ptr<runtime::Event> changed = std::make_shared<runtime::Event>();
  bool queued = false;
};

struct Proxy {
  /// Null until the first set_contexts().
  InventoryPtr placed;
  std::vector<Peer*> peers;
  /// It has ever been connected.
  bool has_come = false;
};

}  // namespace

struct Server::State final : runtime::Waiter, std::enable_shared_from_this<Server::State> {
  State(runtime::Reactor& on, base::Duration return_time)
      : reactor(on),
        returns_by(on.clock().now() + return_time),
        own(on, max_streams),
        others(on, max_streams_of_other),
        soon(on, *this) {
    for (auto* share : {&own, &others}) {
      share->grpc.add(delta_method, [this, share](ServerCall& call) {
        return serve<Subscriber::DeltaRequest>(call, *share, Variant::incremental);
      });
      share->grpc.add(world_method, [this, share](ServerCall& call) {
        return serve<Subscriber::WorldRequest>(call, *share, Variant::state_of_the_world);
      });
    }
  }

  class Present;

  template <class Request>
  Task<Status> serve(ServerCall& call, Share& share, Variant variant);
  template <class Request>
  Task<void> converse(ServerCall& call, Peer& peer, Status& status);
  template <class Request>
  Task<void> read(ServerCall& call, Peer& peer, Status& status);
  Task<void> write(ServerCall& call, Peer& peer, Status& status);
  void take(Peer& peer, const auto& request);
  /// Ends the stream that asks for most if all together ask for more than is kept.
  static void displace(const Share& share);
  Status refuse(std::string why);
  void note_refusal(Peer& peer, const std::string& text);
  /// What `peer` may have: null if that is not known yet, an error if the context is not placed there.
  std::expected<InventoryPtr, Status> latest_for(const Peer& peer) const;
  std::expected<InventoryPtr, Status> latest_for_foreign(const NodeId& node) const;
  /// Whether `peer` has taken all that was published for it.
  bool is_settled(const Peer& peer) const;
  void mark(Peer& peer);
  void mark(Context& context);
  /// Has all waiters in settled() look again.
  void mark_all();
  void wake() override;

  /// Whether a proxy is connected, or about to come back.
  bool is_present(const Proxy& proxy) const {
    return !proxy.peers.empty() || (!proxy.has_come && reactor.clock().now() < returns_by);
  }
  std::set<std::string> connected_proxies(const ContextId& id, const Context& context) const;
  std::optional<std::expected<Server::Settled, XdsError>> settled_now(const ContextId& id) const;
  bool is_drained(const std::string& proxy, const ContextId& id,
                  const std::vector<std::string>& listeners) const;
  /// Waits until something of the context is another than before, at the latest until `end`, which it says.
  Task<bool> changes(ContextId id, base::MonoTime end);

  runtime::Reactor& reactor;
  const base::MonoTime returns_by;
  Share own;
  Share others;
  // Wakes are made outside of whoever publishes or acknowledges, so that nobody is woken from within himself,
  // and all that one turn publishes goes out together.
  runtime::Soon soon;
  std::vector<Peer*> dirty_peers;
  std::vector<std::shared_ptr<Context>> changed_contexts;
  std::map<ContextId, std::shared_ptr<Context>> contexts;
  std::map<std::string, Proxy, std::less<>> proxies;
  std::uint64_t peer_count = 0;
  Counters counters;

  std::shared_ptr<Context> context(const ContextId& id) {
    auto& context = contexts[id];
    if (!context) context = std::make_shared<Context>();
    return context;
  }
};

namespace {

/// The newest stream of each proxy: an older one belongs to a connection that is about to end.
const Peer* newest_of(const std::vector<Peer*>& peers, std::string_view proxy) {
  const Peer* newest = nullptr;
  for (const auto* peer : peers) {
    if (peer->node.proxy == proxy && (!newest || peer->number > newest->number)) newest = peer;
  }
  return newest;
}

}  // namespace

/// Lists a peer for as long as its stream is open.
class Server::State::Present {
 public:
  Present(State& state, Peer& peer) : state_(state.shared_from_this()), peer_(peer) {
    list().push_back(&peer_);
    if (!peer_.node.context) state_->proxies[peer_.node.proxy].has_come = true;
    peer_.share.peers.insert(&peer_);
  }
  Present(const Present&) = delete;
  Present& operator=(const Present&) = delete;
  ~Present() {
    peer_.share.peers.erase(&peer_);
    peer_.share.asked_bytes -= peer_.subscriber.asked_bytes();
    std::erase(list(), &peer_);
    std::ranges::replace(state_->dirty_peers, &peer_, nullptr);
    auto proxy = state_->proxies.find(peer_.node.proxy);
    if (proxy != state_->proxies.end() && proxy->second.peers.empty() && !proxy->second.placed) {
      state_->proxies.erase(proxy);
    }
    if (!peer_.node.context) {
      state_->mark_all();
      return;
    }
    auto context = state_->context(*peer_.node.context);
    const auto is_alike = [this](const Peer* peer) { return peer->node.dialect == peer_.node.dialect; };
    if (std::ranges::none_of(context->peers, is_alike)) context->translations.forget(peer_.node.dialect);
    state_->mark(*context);
    if (context->peers.empty() && context->latest.empty()) state_->contexts.erase(*peer_.node.context);
  }

 private:
  std::vector<Peer*>& list() {
    return peer_.node.context ? state_->context(*peer_.node.context)->peers
                              : state_->proxies[peer_.node.proxy].peers;
  }
  std::shared_ptr<State> state_;
  Peer& peer_;
};

template <class Request>
Task<Status> Server::State::serve(ServerCall& call, Share& share, Variant variant) {
  auto first = co_await call.receive();
  if (!first) co_return first.error();
  if (!*first) co_return Status{};
  Request request;
  if (!request.ParseFromString(**first))
    co_return Status{Code::invalid_argument, "the request cannot be parsed"};
  auto node = parse_node(request.node());
  if (!node) co_return Status{Code::invalid_argument, node.error()};
  const auto known = node->context ? contexts.find(*node->context) : contexts.end();
  const auto is_beside = [&](const Peer* peer) { return &peer->share == &share; };
  if (share.peers.size() >= max_streams ||
      (known != contexts.end() &&
       std::ranges::count_if(known->second->peers, is_beside) >= max_streams_of_context)) {
    co_return refuse("too many streams are open");
  }
  const auto& features = request.node().client_features();
  Peer peer{.node = std::move(*node),
            .share = share,
            .number = ++peer_count,
            .tells_drained = std::ranges::find(features, feature_drain) != features.end(),
            .subscriber = Subscriber(variant)};
  Present present(*this, peer);
  // Tells the proxy that it is served although there may be nothing to tell it.
  call.start();
  take(peer, request);
  Status status;
  co_await runtime::first(converse<Request>(call, peer, status), until(peer.displaced));
  if (peer.displaced.is_set()) co_return refuse("the names asked for are too many");
  co_return status;
}

template <class Request>
Task<void> Server::State::converse(ServerCall& call, Peer& peer, Status& status) {
  co_await runtime::first(read<Request>(call, peer, status), write(call, peer, status));
}

template <class Request>
Task<void> Server::State::read(ServerCall& call, Peer& peer, Status& status) {
  for (;;) {
    auto message = co_await call.receive();
    if (!message) status = message.error();
    if (!message || !*message) co_return;
    Request request;
    if (!request.ParseFromString(**message)) {
      status = {Code::invalid_argument, "the request cannot be parsed"};
      co_return;
    }
    take(peer, request);
  }
}

Status Server::State::refuse(std::string why) {
  ++counters.refused;
  return {Code::resource_exhausted, std::move(why)};
}

void Server::State::take(Peer& peer, const auto& request) {
  const auto before = peer.subscriber.asked_bytes();
  switch (peer.subscriber.take(request)) {
    case Subscriber::Answer::none:
    case Subscriber::Answer::unknown_type: break;
    case Subscriber::Answer::ack:
      ++counters.acks;
      if (!peer.subscriber.refusal()) peer.nack.reset();
      break;
    case Subscriber::Answer::nack:
      ++counters.nacks;
      note_refusal(peer, request.error_detail().message().substr(0, max_refusal_bytes));
      break;
  }
  peer.share.asked_bytes += peer.subscriber.asked_bytes() - before;
  mark(peer);
  if (peer.node.context) mark(*context(*peer.node.context));
}

void Server::State::displace(const Share& share) {
  if (share.asked_bytes <= max_asked_bytes) return;
  const auto asked = [](const Peer* peer) { return peer->subscriber.asked_bytes(); };
  (*std::ranges::max_element(share.peers, {}, asked))->displaced.set();
}

void Server::State::note_refusal(Peer& peer, const std::string& text) {
  // One refusal may be said of each response of a batch.
  if (!peer.nack || peer.nack->text != text) {
    runtime::log::warning("xds", "{} refused the configuration of {}: {}", peer.node.to_string(),
                          peer.node.context ? peer.node.context->to_string() : "its placements", text);
  }
  peer.nack = Nack{peer.node.proxy, text, reactor.clock().wall()};
}

Task<void> Server::State::write(ServerCall& call, Peer& peer, Status& status) {
  for (;;) {
    // What waits for a peer that does not read is not made meanwhile.
    if (auto room = co_await call.room(); !room) co_return;
    auto latest = latest_for(peer);
    if (!latest) {
      status = latest.error();
      co_return;
    }
    if (auto update = peer.subscriber.next(*latest)) {
      ++counters.responses;
      counters.resources_sent += update->resources.size();
      counters.resources_removed += update->removed.size();
      auto message = message_of(std::move(*update), peer.subscriber.variant());
      if (auto sent = co_await call.send(std::move(message)); !sent) co_return;
    } else {
      peer.dirty.clear();
      co_await peer.dirty.wait();
    }
  }
}

std::expected<InventoryPtr, Status> Server::State::latest_for_foreign(const NodeId& node) const {
  const auto found = contexts.find(*node.context);
  if (found == contexts.end() || found->second->latest.empty()) {
    if (proxies.empty()) return InventoryPtr();  // nothing is known yet
    return http::grpc::fail(Code::not_found, "the mesh has no workload " + node.context->to_string());
  }
  // It differs by node in what foreign clients are not told.
  return found->second->translations.of(found->second->latest.begin()->second->snapshot, node.dialect);
}

std::expected<InventoryPtr, Status> Server::State::latest_for(const Peer& peer) const {
  if (peer.node.is_foreign()) return latest_for_foreign(peer.node);
  auto proxy = proxies.find(peer.node.proxy);
  if (proxy == proxies.end() || !proxy->second.placed) return InventoryPtr();
  const auto& placed = proxy->second.placed;
  if (!peer.node.context) return placed;
  auto name = peer.node.context->to_string();
  if (!placed->find(Type::placement, name)) {
    return http::grpc::fail(Code::permission_denied,
                            fmt::format("the context {} is not placed at {}", name, peer.node.proxy));
  }
  const auto& latest = contexts.at(*peer.node.context)->latest;
  const auto known = latest.find(peer.node.proxy);
  return known == latest.end() ? InventoryPtr() : known->second;
}

bool Server::State::is_settled(const Peer& peer) const {
  const auto latest = latest_for(peer);
  return latest && *latest && peer.subscriber.is_settled(*latest);
}

void Server::State::mark(Peer& peer) {
  if (std::exchange(peer.queued, true)) return;
  dirty_peers.push_back(&peer);
  soon.set();
}

void Server::State::mark(Context& context) {
  if (std::exchange(context.queued, true)) return;
  changed_contexts.push_back(context.shared_from_this());
  soon.set();
}

void Server::State::mark_all() {
  for (const auto& [id, known] : contexts) mark(*known);
}

void Server::State::wake() {
  auto self = shared_from_this();
  displace(own);
  displace(others);
  // Those who are woken may end others, whose places in the list become null, or mark more for the next time.
  for (std::size_t i = 0, count = dirty_peers.size(); i < count; ++i) {
    if (auto* peer = std::exchange(dirty_peers[i], nullptr)) {
      peer->queued = false;
      peer->dirty.set();
    }
  }
  std::erase(dirty_peers, nullptr);
  for (const auto& context : std::exchange(changed_contexts, {})) {
    context->queued = false;
    std::exchange(context->changed, std::make_shared<runtime::Event>())->set();
  }
}

std::set<std::string> Server::State::connected_proxies(const ContextId& id, const Context& context) const {
  std::set<std::string> connected;
  for (const auto* peer : context.peers) {
    // One that may not have it is about to be ended.
    if (!is_foreign(peer) && latest_for(*peer)) connected.insert(peer->node.proxy);
  }
  for (const auto& [name, proxy] : proxies) {
    bool has_context = proxy.placed && proxy.placed->find(Type::placement, id.to_string());
    if (has_context && is_present(proxy)) connected.insert(name);
  }
  return connected;
}

std::optional<std::expected<Server::Settled, XdsError>> Server::State::settled_now(
    const ContextId& id) const {
  auto found = contexts.find(id);
  if (found == contexts.end() || found->second->latest.empty()) {
    return base::fail(XdsErrorKind::not_published, id.to_string());
  }
  const auto& context = *found->second;
  Settled settled;
  // What a foreign client refuses it goes without.
  bool waits = std::ranges::any_of(context.peers, [this](const Peer* peer) {
    return is_foreign(peer) && !peer->nack && !is_settled(*peer);
  });
  for (const auto& proxy : connected_proxies(id, context)) {
    const auto* peer = newest_of(context.peers, proxy);
    if (peer && peer->nack)
      return base::fail(XdsErrorKind::nacked, fmt::format("proxy {}: {}", proxy, peer->nack->text));
    if (peer && is_settled(*peer)) {
      ++settled.proxies;
    } else {
      waits = true;
    }
  }
  if (waits) return std::nullopt;
  return settled;
}

bool Server::State::is_drained(const std::string& proxy, const ContextId& id,
                               const std::vector<std::string>& listeners) const {
  const auto found = contexts.find(id);
  const auto known = proxies.find(proxy);
  const auto* peer = found == contexts.end() ? nullptr : newest_of(found->second->peers, proxy);
  // Without a proxy nothing is under way. One that has just come may not have asked for the context yet.
  if (!peer) return found == contexts.end() || known == proxies.end() || !is_present(known->second);
  if (!peer->tells_drained || peer->nack) return true;
  return is_settled(*peer) && std::ranges::all_of(listeners, [&](const std::string& name) {
           return peer->subscriber.is_done_with(Type::listener, name);
         });
}

Task<bool> Server::State::changes(ContextId id, base::MonoTime end) {
  const auto change = contexts.at(id)->changed;  // kept: it is another one as soon as it is set
  const auto now = reactor.clock().now();
  if (now >= end) co_return false;
  // Who has not come back by then is not waited for: that is a change too.
  const bool may_return = now < returns_by && returns_by < end;
  co_return co_await runtime::within(reactor, (may_return ? returns_by : end) - now, until(*change)) ||
      may_return;
}

Server::Server(runtime::Reactor& reactor, base::Duration return_time)
    : state_(std::make_shared<State>(reactor, return_time)) {}
Server::~Server() = default;

Task<runtime::IoError> Server::serve(runtime::Acceptor& acceptor, IsOwnProxy is_own_proxy) {
  runtime::Scope own;
  runtime::Scope others;
  for (;;) {
    auto connection = co_await acceptor.accept();
    if (!connection) co_return connection.error();
    const auto peer = runtime::peer_credentials((*connection)->fd());
    const bool is_own = peer && co_await is_own_proxy(peer->pid);
    auto& connections = is_own ? own : others;
    if (connections.size() >= max_connections) {
      if (state_->counters.refused++ == 0)
        runtime::log::warning("xds", "all {} connections are in use: further ones are closed",
                              max_connections);
      continue;
    }
    connections.spawn(serve_connection(std::move(*connection), is_own));
  }
}

Task<void> Server::serve_connection(std::unique_ptr<runtime::Stream> connection, bool is_own_proxy) {
  auto state = state_;
  ++state->counters.connections;
  co_await (is_own_proxy ? state->own : state->others).grpc.serve(std::move(connection));
}

void Server::publish(const std::string& proxy, snapshot::SnapshotPtr snapshot) {
  auto context = state_->context(snapshot->context);
  auto& latest = context->latest[proxy];
  if (latest && *latest->snapshot == *snapshot) return;
  latest = take_inventory(std::move(snapshot), latest);
  for (auto* peer : context->peers) {
    if (!is_foreign(peer) && peer->node.proxy != proxy) continue;
    // What was refused is history once there is something newer.
    peer->nack.reset();
    state_->mark(*peer);
  }
  state_->mark(*context);
}

void Server::set_contexts(std::string name, std::vector<ContextId> contexts) {
  auto& proxy = state_->proxies[name];
  auto placed = take_inventory(std::move(contexts));
  if (proxy.placed && proxy.placed->placed == placed->placed) return;
  proxy.placed = std::move(placed);
  for (auto* peer : proxy.peers) state_->mark(*peer);
  for (auto& [id, context] : state_->contexts) {
    if (proxy.placed->find(Type::placement, id.to_string()) == nullptr) context->latest.erase(name);
    for (auto* peer : context->peers) state_->mark(*peer);
    state_->mark(*context);
  }
  std::erase_if(state_->contexts, [](const auto& entry) {
    return entry.second->peers.empty() && entry.second->latest.empty();
  });
}

Task<std::expected<Server::Settled, XdsError>> Server::settled(ContextId id, base::Duration limit) {
  auto state = state_;
  auto end = state->reactor.clock().now() + limit;
  for (;;) {
    if (auto now = state->settled_now(id)) co_return std::move(*now);
    if (!co_await state->changes(id, end)) {
      co_return base::fail(
          XdsErrorKind::timeout,
          fmt::format("not every proxy of {} has acknowledged its configuration", id.to_string()));
    }
  }
}

Task<bool> Server::drained(std::string proxy, ContextId id, std::vector<std::string> listeners,
                           base::Duration limit) {
  auto state = state_;
  const auto end = state->reactor.clock().now() + limit;
  while (!state->is_drained(proxy, id, listeners)) {
    if (!co_await state->changes(id, end)) co_return false;
  }
  co_return true;
}

std::optional<std::expected<Server::Settled, XdsError>> Server::settled_now(const ContextId& context) const {
  return state_->settled_now(context);
}

std::optional<Nack> Server::last_nack(const ContextId& context) const {
  auto found = state_->contexts.find(context);
  if (found == state_->contexts.end()) return std::nullopt;
  const Nack* last = nullptr;
  for (const auto* peer : found->second->peers) {
    if (peer->nack && (!last || peer->nack->at > last->at)) last = &*peer->nack;
  }
  return last ? std::optional(*last) : std::nullopt;
}

std::vector<ProxyStatus> Server::proxies() const {
  std::vector<ProxyStatus> all;
  for (const auto& [name, proxy] : state_->proxies) {
    if (proxy.peers.empty()) continue;
    ProxyStatus status{.proxy = name};
    if (proxy.placed) status.contexts = proxy.placed->placed.size();
    for (const auto& [id, context] : state_->contexts) {
      const auto* peer = newest_of(context->peers, name);
      if (peer && state_->is_settled(*peer)) ++status.settled;
    }
    all.push_back(std::move(status));
  }
  return all;
}

Server::Counters Server::counters() const { return state_->counters; }

Server::Load Server::load() const {
  const auto& own = state_->own;
  const auto& others = state_->others;
  return {own.peers.size() + others.peers.size(), own.asked_bytes + others.asked_bytes,
          own.grpc.unfinished() + others.grpc.unfinished()};
}

}  // namespace weft::xds
