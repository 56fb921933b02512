#include "proxy/worker.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "proxy/h1_client.h"
#include "proxy/h2_client.h"
#include "proxy/opaque.h"
#include "runtime/combine.h"
#include "runtime/heap.h"
#include "runtime/log.h"

namespace weft::proxy {
namespace {

/// The least time between two looks for connections at rest whose places others need.
constexpr auto room_interval = std::chrono::milliseconds(10);
/// Kept for the next requests: as many as are under way at one moment on a busy worker.
constexpr std::size_t max_spare_codecs = 256;
/// How often upstream connections at rest are looked at.
constexpr auto housekeeping_interval = std::chrono::seconds(5);
/// The least time between two looks at all client connections: a limit on rest is good to that.
constexpr auto sweep_interval = std::chrono::milliseconds(500);
/// What one splice(2) may move: as much as a pipe may hold without privileges (pipe(7)).
constexpr int pipe_bytes = 1 << 20;
/// Kept for the next bulk: what is under way at one moment on a busy worker.
constexpr std::size_t max_spare_pipes = 8;
/// Access-log lines are handed to the writer when there are this many bytes of them, or this time after the
/// first.
constexpr std::size_t log_batch_bytes = 32 * 1024;
constexpr auto log_delay = std::chrono::milliseconds(100);

}  // namespace

Worker::Worker(runtime::Reactor& own, WorkerParts parts)
    : reactor(own),
      random(parts.seed),
      parts_(std::move(parts)),
      tls_(parts_.tls_sessions, reactor.clock()),
      log_flush_(*this),
      housekeeping_(*this),
      sweep_(*this) {
  housekeeping_.timer.set(reactor.coarse_now() + housekeeping_interval);
}

Worker::~Worker() {
  cut();
  flush_access_log();
  acceptors_.clear();
  for (auto& [id, context] : contexts_) take_out_of_force(*context);
}

void Worker::apply(const snapshot::ContextId& id, PlanPtr plan) {
  auto& context = contexts_[id];
  if (!context) context = LocalPtr(new Context(id));
  ++shard.proxy.snapshots_applied;
  const auto changes = put_in_force(context, std::move(plan), {reactor, limits(), shard.proxy, random, tls_});
  if (!changes.has_any) return;
  forget_listeners(changes.removed);
  bool has_drain = false;
  for (const auto& [number, listener] : context->listeners) {
    const auto& address = listener->config->address;
    if (is_inbound_at(address, *listener)) inbound_[address] = listener.get();
    has_drain |= listener->config->drain.has_value();
  }
  if (has_drain) {
    for (auto& client : clients_) {
      if (client.listener->config->drain) client.hurry_if_idle(limits().drain_idle_timeout);
    }
    close_silent_if_ending();
  }
  if (changes.has_new_generation) close_idle_if_ending();
}

void Worker::remove(const snapshot::ContextId& id) {
  const auto found = contexts_.find(id);
  if (found == contexts_.end()) return;
  const auto context = std::move(found->second);
  contexts_.erase(found);
  forget_listeners(take_out_of_force(*context));
}

void Worker::forget_listeners(const std::vector<LocalPtr<ListenerState>>& removed) {
  for (const auto& listener : removed) acceptors_.erase(listener.get());
  std::erase_if(inbound_, [](const auto& entry) { return !is_inbound_at(entry.first, *entry.second); });
  if (!removed.empty()) close_idle_if_ending();
}

bool Worker::is_inbound_at(const base::Address& address, const ListenerState& listener) {
  const auto& config = *listener.config;
  return !listener.is_removed() && config.direction == snapshot::Direction::inbound &&
         config.address == address;
}

void Worker::close_idle_if_ending() {
  for (auto at = clients_.begin(); at != clients_.end();) {
    auto& client = *at++;
    if (client.is_ending()) client.end_soon();
  }
  close_silent_if_ending();
}

void Worker::close_silent_if_ending() {
  for (auto at = silent_.begin(); at != silent_.end();) {
    auto& silence = *at++;
    // What has come may wait to be looked at.
    std::array<char, 1> first{};
    if (!silence.client_.is_ending() || silence.stream_.try_peek(first)) continue;
    silence.stream_.shutdown_write();
    silence.stream_.fail({ECANCELED});
  }
}

Worker::Silence::Silence(const ClientConnection& client, runtime::Stream& stream)
    : client_(client), stream_(stream) {
  client.worker.silent_.push_back(*this);
}

void Worker::accept_on(const snapshot::ContextId& id, ListenerNumber number, runtime::Fd listening) {
  auto listener = find_listener(id, number);
  if (!listener || is_draining_) return;
  acceptors_.erase(listener.get());
  auto& accepting = acceptors_.try_emplace(listener.get()).first->second;
  accepting.listening = listening.get();
  accepting.scope.spawn(accept_loop(std::move(listener), std::move(listening)));
}

LocalPtr<ListenerState> Worker::find_listener(const snapshot::ContextId& id, ListenerNumber number) const {
  const auto context = contexts_.find(id);
  if (context == contexts_.end()) return {};
  const auto listener = context->second->listeners.find(number);
  return listener == context->second->listeners.end() ? LocalPtr<ListenerState>() : listener->second;
}

bool Worker::is_busy(const snapshot::ContextId& id, ListenerNumber number, bool with_streams) const {
  const auto listener = find_listener(id, number);
  if (!listener) return false;
  if (listener->connections > (with_streams ? 0 : listener->streams)) return true;
  const auto accepting = acceptors_.find(listener.get());
  if (accepting == acceptors_.end()) return false;
  pollfd queue{accepting->second.listening, POLLIN, 0};
  return ::poll(&queue, 1, 0) > 0;
}

ListenerState* Worker::inbound_at(const base::Address& address) const {
  const auto found = inbound_.find(address);
  return found == inbound_.end() ? nullptr : found->second;
}

bool Worker::may_accept() {
  return shard.proxy.downstream_connections_active < limits().max_connections &&
         make_room(most_to_accept(limits().max_sockets));
}

bool Worker::make_room(std::size_t most) {
  if (sockets() < most) return true;
  if (reactor.coarse_now() < next_room_) return false;
  next_room_ = reactor.coarse_now() + room_interval;
  each_endpoint([](auto&, auto&, EndpointState& endpoint) { endpoint.close_idle(); });
  return sockets() < most;
}

template <class Do>
void Worker::each_endpoint(Do work) const {
  for (const auto& [id, context] : contexts_) {
    const auto& config = *context->config;
    for (std::size_t i = 0; i < config.clusters.size(); ++i) {
      for (const auto& endpoint : config.clusters[i]->endpoints())
        work(id, config.snapshot().clusters[i], *endpoint);
    }
  }
}

std::size_t Worker::sockets() const {
  return shard.proxy.downstream_connections_active + shard.proxy.upstream_connections_active +
         2 * shard.proxy.splice_pipes + acceptors_.size();
}

runtime::Task<void> Worker::accept_loop(LocalPtr<ListenerState> listener, runtime::Fd listening) {
  runtime::Acceptor acceptor(
      reactor, std::move(listening), [this] { return may_accept(); }, &shard.proxy.accept_backoffs);
  while (true) {
    auto fd = co_await acceptor.accept_fd();
    if (!fd) {
      runtime::log::error("proxy", "listener {} cannot accept any more: {}", listener->config->name,
                          fd.error().message());
      if (const auto own = acceptors_.find(listener.get()); own != acceptors_.end())
        own->second.listening = -1;
      co_return;
    }
    accepted(listener, std::move(*fd));
  }
}

void Worker::accepted(LocalPtr<ListenerState> listener, runtime::Fd fd) {
  if (parts_.hand_out && parts_.hand_out(listener->context->id, listener->number, fd)) return;
  serve_socket(std::move(listener), std::move(fd));
}

void Worker::serve_fd(const snapshot::ContextId& id, ListenerNumber number, runtime::Fd fd) {
  serve_socket(find_listener(id, number), std::move(fd));
}

void Worker::serve_socket(LocalPtr<ListenerState> listener, runtime::Fd fd) {
  Peer unknown;
  unknown.share = LoadShare(parts_.load);
  if (!listener) return;
  auto peer = runtime::peer_address(fd.get());
  serve(std::move(listener), std::make_unique<runtime::Socket>(reactor, std::move(fd), std::move(peer)),
        std::move(unknown));
}

void Worker::serve(LocalPtr<ListenerState> listener, std::unique_ptr<runtime::Stream> stream, Peer peer) {
  const auto& config = *listener->config;
  const bool is_http = config.protocol == snapshot::ListenerProtocol::http ||
                       (config.protocol == snapshot::ListenerProtocol::automatic && peer.is_chain);
  // Chains of this process need no TLS between them.
  const bool is_plain = !config.tls || peer.context;
  if (is_http && is_plain && !config.proxy_protocol) {
    serve_requests(std::move(listener), std::move(stream), std::move(peer));
  } else {
    scope_.spawn(serve_opening(*this, std::move(listener), std::move(stream), std::move(peer)));
  }
}

void Worker::serve_requests(LocalPtr<ListenerState> listener, std::unique_ptr<runtime::Stream> stream,
                            Peer peer) {
  scope_.spawn(serve_http(*this, std::move(listener), std::move(stream), std::move(peer)));
}

void Worker::serve_http2(LocalPtr<ListenerState> listener, std::unique_ptr<runtime::Stream> stream, Peer peer,
                         std::string received) {
  scope_.spawn(serve_h2(*this, std::move(listener), std::move(stream), std::move(peer), std::move(received)));
}

std::unique_ptr<Codec> Worker::take_codec(runtime::Stream& stream) {
  auto codec = codecs_.empty() ? std::make_unique<Codec>(reactor) : std::move(codecs_.back());
  if (!codecs_.empty()) codecs_.pop_back();
  codec->attach(stream, limits().body_timeout);
  return codec;
}

void Worker::give_codec(std::unique_ptr<Codec> codec) {
  codec->detach();
  if (codecs_.size() < max_spare_codecs && !codec->is_bloated()) codecs_.push_back(std::move(codec));
}

SplicePipe Worker::take_pipe() {
  if (!pipes_.empty()) {
    auto pipe = std::move(pipes_.back());
    pipes_.pop_back();
    return pipe;
  }
  int ends[2];
  if (sockets() + 2 > limits().max_sockets || ::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return {};
  ::fcntl(ends[1], F_SETPIPE_SZ, pipe_bytes);
  ++shard.proxy.splice_pipes;
  return {runtime::Fd(ends[1]), runtime::Fd(ends[0])};
}

void Worker::give_pipe(SplicePipe pipe) {
  if (pipes_.size() < max_spare_pipes) {
    pipes_.push_back(std::move(pipe));
  } else {
    --shard.proxy.splice_pipes;
  }
}

void Worker::begin_drain() {
  is_draining_ = true;
  is_retiring_ = false;
  acceptors_.clear();
  close_idle_if_ending();
}

void Worker::retire() {
  is_draining_ = is_retiring_ = true;
  acceptors_.clear();
  for (auto& client : clients_) client.hurry_if_idle(limits().drain_idle_timeout);
}

runtime::IoResult<std::vector<ListeningSocket>> Worker::listening() const {
  std::vector<ListeningSocket> sockets;
  for (const auto& [listener, accepting] : acceptors_) {
    if (accepting.listening < 0) continue;
    runtime::Fd copy(::fcntl(accepting.listening, F_DUPFD_CLOEXEC, 0));
    if (!copy) return runtime::last_error();
    sockets.push_back({listener->config->address, std::move(copy)});
  }
  return sockets;
}

void Worker::cut() { scope_.cancel(); }

void Worker::add_endpoints(std::vector<EndpointStatus>& into) const {
  each_endpoint([&](const auto& id, const auto& cluster, const EndpointState& endpoint) {
    into.push_back({id, cluster.name, endpoint.address(), endpoint.instance(), endpoint.health(),
                    endpoint.connections(), endpoint.idle(), endpoint.active, endpoint.requests});
  });
}

bool Worker::is_sampled() {
  const double share = parts_.access_log->sample();
  constexpr std::uint64_t steps = 1U << 30U;
  return share >= 1 || random.below(steps) < static_cast<std::uint64_t>(share * static_cast<double>(steps));
}

void Worker::log_access(const telemetry::AccessRecord& record) {
  exporter::write_line(record, parts_.access_log->format(), log_lines_);
  if (log_lines_.size() >= log_batch_bytes) {
    flush_access_log();
  } else if (!log_flush_.timer.is_set()) {
    log_flush_.timer.set(reactor.coarse_now() + log_delay);
  }
}

void Worker::flush_access_log() {
  if (parts_.access_log != nullptr) parts_.access_log->submit(log_lines_);
}

void Worker::Sweep::wake() {
  auto next = base::MonoTime::max();
  for (auto at = worker.clients_.begin(); at != worker.clients_.end();) {
    next = std::min(next, (*at++).end_if_late());
  }
  if (next != base::MonoTime::max()) {
    timer.set(std::max<base::MonoTime>(next, worker.reactor.coarse_now() + sweep_interval));
  }
}

void Worker::Housekeeping::wake() {
  const auto now = worker.reactor.coarse_now();
  worker.each_endpoint([](auto&, auto&, EndpointState& endpoint) { endpoint.close_stale(); });
  runtime::trim_heap();
  timer.set(now + housekeeping_interval);
}

}  // namespace weft::proxy
