#include "proxy/opaque.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "http/h1/linger.h"
#include "proxy/attempts.h"
#include "proxy/client_connection.h"
#include "proxy/failure.h"
#include "proxy/opening/client_hello.h"
#include "proxy/opening/peek.h"
#include "proxy/opening/protocol.h"
#include "proxy/tunnel.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"
#include "runtime/combine.h"
#include "telemetry/access.h"
#include "tls/tls.h"

namespace weft::proxy {
namespace {

using opening::Patience;
using opening::Protocol;

/// Longer than a machine runs.
constexpr base::Duration no_limit = std::chrono::years(10);

bool is_http(Protocol protocol) { return protocol == Protocol::http1 || protocol == Protocol::http2; }

// What is looked for in first bytes.

using opening::Look;

std::optional<Protocol> client_protocol(std::string_view bytes, bool has_ended) {
  const auto protocol = opening::of_client(bytes, has_ended);
  return protocol == Protocol::undecided ? std::nullopt : std::optional(protocol);
}
constexpr Look<Protocol> protocol_of_client{client_protocol, opening::max_undecided_bytes};

/// Undecided: it has ended and said nothing.
std::optional<Protocol> late_client_protocol(std::string_view bytes, bool has_ended) {
  return bytes.empty() ? Protocol::undecided : client_protocol(bytes, has_ended);
}
constexpr Look<Protocol> protocol_of_late_client{late_client_protocol, opening::max_undecided_bytes};

/// Undecided: it has ended and said nothing.
std::optional<Protocol> server_protocol(std::string_view bytes, bool has_ended) {
  if (bytes.empty()) return Protocol::undecided;
  const auto protocol = opening::of_server(bytes, has_ended);
  return protocol == Protocol::undecided ? std::nullopt : std::optional(protocol);
}
constexpr Look<Protocol> protocol_of_server{server_protocol, opening::max_server_bytes};

using Header = std::expected<opening::ProxyHeader, opening::ProxyHeaderFault>;
std::optional<Header> read_header(std::string_view bytes, bool has_ended) {
  const auto header = opening::parse_proxy_header(bytes);
  if (!header) return std::unexpected(header.error());
  if (*header) return **header;
  return has_ended ? std::optional<Header>(std::unexpected(opening::ProxyHeaderFault::absent)) : std::nullopt;
}
constexpr Look<Header> proxy_header{read_header, opening::max_proxy_header_bytes};

using Hello = std::expected<opening::ClientHello, opening::HelloFault>;
std::optional<Hello> read_hello(std::string_view bytes, bool has_ended) {
  const auto hello = opening::parse_client_hello(bytes);
  if (!hello) return std::unexpected(hello.error());
  if (*hello) return **hello;
  if (has_ended) return std::unexpected(opening::HelloFault::not_tls);
  return bytes.size() < opening::max_tls_opening_bytes
             ? std::nullopt
             : std::optional<Hello>(std::unexpected(opening::HelloFault::too_long));
}
constexpr Look<Hello> client_hello{read_hello, opening::max_tls_opening_bytes};

/// What TLS begins with: not a byte, or the first record, which mostly is the ClientHello.
enum class FirstRecord : std::uint8_t { none, there, of_too_long_a_hello };
std::optional<FirstRecord> read_record(std::string_view bytes, bool has_ended) {
  if (!opening::has_first_record(bytes) && !has_ended) return std::nullopt;
  if (bytes.empty()) return FirstRecord::none;
  const auto hello = opening::parse_client_hello(bytes);
  const bool is_too_long = !hello && hello.error() == opening::HelloFault::too_long;
  return is_too_long ? FirstRecord::of_too_long_a_hello : FirstRecord::there;
}
constexpr Look<FirstRecord> first_record{read_record, opening::max_first_record_bytes};

runtime::Task<void> never() {
  runtime::Readiness never;
  co_await runtime::Wait(never);
}

/// One connection: what its steps share, and its record.
class Opaque {
 public:
  Opaque(Worker& of, LocalPtr<ListenerState> from, std::unique_ptr<runtime::Stream> client, Peer caller)
      : worker_(of),
        stream_(std::move(client)),
        socket_(stream_->fd()),
        client_(of, std::move(from), stream_->peer(), std::move(caller)),
        name_(client_.listener->config->name),
        direction_(client_.listener->config->direction),
        idle_timeout_(
            client_.listener->config->opaque_idle_timeout.value_or(worker_.limits().tunnel_idle_timeout)),
        start_(worker_.reactor.coarse_now()),
        wall_(worker_.reactor.coarse_wall()) {}
  ~Opaque();
  Opaque(const Opaque&) = delete;
  Opaque& operator=(const Opaque&) = delete;

  /// All until its bytes can be carried, which carry() does. False if there is nothing to carry: it was
  /// refused, broke, or was handed over as HTTP. Not inlined, so that the frame of all that goes when the
  /// way is known: connections may last for days.
  [[gnu::noinline]] runtime::Task<bool> open();
  runtime::Task<void> carry() {
    client_.begin_stream();
    is_cut_ = true;  // by whoever does not let it come to its end
    co_await tunnel(worker_, *stream_, *upstream_, {}, {}, idle_timeout_, bytes_, series_);
    is_cut_ = false;
  }
  /// Takes in that the endpoint has refused it by TLS.
  void note_refusal();

 private:
  /// How long the client may take for its first word; little where it is to end, as one of HTTP at rest has.
  base::Duration opening_limit(base::Duration limit) const {
    return client_.is_ending() ? std::min<base::Duration>(limit, worker_.limits().drain_idle_timeout) : limit;
  }
  /// Takes the header of the PROXY protocol. False if there is none, and the connection is refused.
  runtime::Task<bool> take_header();
  /// Ends the client's TLS: stream_ is what is inside from then on. False if that fails.
  runtime::Task<bool> take_tls();
  /// What the connection carries, if its listener takes anything: undecided if it broke. A connection to an
  /// endpoint may be open then, which has seen nothing but a PROXY header.
  runtime::Task<Protocol> detect();
  /// The same where the client says nothing: an endpoint is asked for its first word.
  runtime::Task<Protocol> ask_server();
  /// The same once neither has spoken in time: the client stays as one of HTTP at rest does.
  runtime::Task<Protocol> hear_at_rest();
  /// Puts what the client speaks into `into`, as soon as that is known.
  runtime::Task<void> hear_client(std::optional<Protocol>* into, Look<Protocol> look = protocol_of_client);
  runtime::Task<void> hear_server(std::optional<Protocol>* into);
  /// What either says first, if there is a server.
  runtime::Task<void> hear_both(std::optional<Protocol>* into);
  /// Ends after that time, unless the client has begun to say something, or the server, if that is not null.
  runtime::Task<void> silent_for(base::Duration limit, runtime::Stream* server = nullptr);
  /// The same as hear_client(), but goes on for ever if these are bytes.
  runtime::Task<void> hear_http(std::optional<Protocol>* into);
  /// Reads the ClientHello. False if it is refused.
  runtime::Task<bool> take_server_name();
  /// Opens upstream_, by the Snapshot in force.
  runtime::Task<void> open_upstream();
  /// A stream to one of the cluster's endpoints, by which place_ is taken; null if there is none that has
  /// room and answers.
  runtime::Task<std::unique_ptr<runtime::Stream>> connect(LocalPtr<ClusterState> cluster);
  /// What the endpoint is told of the client, in the PROXY protocol.
  std::string header_for(snapshot::ProxyProtocol version) const;
  /// Tells a client of TLS why it is refused.
  runtime::Task<void> alert(unsigned char description);
  void refuse(Failure failure, std::string reason);
  void fail_tls(const tls::Fault& fault);

  Worker& worker_;
  std::unique_ptr<runtime::Stream> stream_;
  /// Under TLS too; -1: there is none.
  int socket_;
  ClientConnection client_;
  std::string name_;
  std::string cluster_name_;
  /// What a client of TLS asks for.
  std::string server_name_;
  /// The client's address while its transport may be gone; null: client_ has it.
  std::unique_ptr<const base::Address> lost_;
  /// It has said, by ALPN, that it speaks HTTP.
  bool has_agreed_ = false;
  snapshot::Direction direction_;
  base::Duration idle_timeout_;
  base::MonoTime start_;
  base::WallTime wall_;
  std::unique_ptr<runtime::Stream> upstream_;
  Attempts attempts_;
  /// At the last of them, once connected.
  std::optional<ConnectionPlace> place_;
  TunnelBytes bytes_;
  telemetry::EndsSeries* series_ = nullptr;
  /// It is opaque for good, counted as such in series_, and its end is logged.
  bool is_opaque_ = false;
  Failure failure_ = Failure::none;
  /// Words for failure_; empty: its own.
  std::string reason_;
  bool is_cut_ = false;
};

runtime::Task<bool> Opaque::open() {
  using snapshot::ListenerProtocol;
  const auto protocol = client_.listener->config->protocol;
  if (client_.listener->config->proxy_protocol && !co_await take_header()) co_return false;
  if (client_.listener->config->tls && !client_.peer.context && !co_await take_tls()) co_return false;
  bool is_bytes = !takes_http(protocol);
  if (protocol == ListenerProtocol::automatic && !client_.peer.is_chain && !has_agreed_) {
    const auto found = co_await detect();
    is_bytes = !is_http(found);
    if (found == Protocol::undecided) {
      is_opaque_ = upstream_ != nullptr;
      if (is_opaque_) series_->tcp_opened();
      co_return false;
    }
  }
  if (!is_bytes) {
    // Not needed, and its place may be.
    upstream_.reset();
    place_.reset();
    worker_.serve_requests(client_.listener, std::move(stream_), client_.give_up_peer());
    co_return false;
  }
  is_opaque_ = true;
  if (protocol == ListenerProtocol::tls && !co_await take_server_name()) co_return false;
  if (!upstream_ && failure_ == Failure::none) co_await open_upstream();
  if (series_ != nullptr) series_->tcp_opened();
  if (!upstream_) {
    ++worker_.shard.proxy.refused;
    if (protocol == ListenerProtocol::tls && failure_ == Failure::no_route)
      co_await alert(opening::alert_unrecognized_name);
    co_return false;
  }
  co_return true;
}

runtime::Task<bool> Opaque::take_header() {
  std::optional<Header> header;
  {
    const Worker::Silence silence(client_, *stream_);
    header = co_await opening::first_bytes(worker_.reactor, *stream_, proxy_header,
                                           opening_limit(worker_.limits().head_timeout), Patience::from_now);
  }
  if (!header && client_.is_ending()) co_return false;
  if (!header || !*header) {
    refuse(Failure::malformed_request,
           std::string(describe(header ? header->error() : opening::ProxyHeaderFault::absent)));
    co_return false;
  }
  std::string bytes((*header)->size, '\0');
  for (std::span<char> left(bytes); !left.empty();) {
    const auto size = co_await runtime::read(*stream_, left);
    if (!size || *size == 0) co_return false;
    left = left.subspan(*size);
  }
  client_.peer.header = std::make_unique<const opening::ProxyHeader>(**header);
  co_return true;
}

runtime::Task<bool> Opaque::take_tls() {
  const auto limit = worker_.limits().handshake_timeout;
  const base::MonoTime end = worker_.reactor.coarse_now() + limit;
  std::optional<std::optional<FirstRecord>> hello;
  {
    const Worker::Silence silence(client_, *stream_);
    // Who stops before takes none of the memory that a handshake takes; who says nothing is not worth a word.
    hello = co_await runtime::within(
        worker_.reactor, opening_limit(limit),
        opening::first_bytes(worker_.reactor, *stream_, first_record, no_limit, Patience::from_now));
  }
  const bool has_begun = hello ? hello->value_or(FirstRecord::none) != FirstRecord::none
                               : opening::peek(*stream_, first_record).has_begun;
  if (!has_begun) co_return false;
  // It may have gone meanwhile.
  if (!client_.listener->tls) {
    refuse(Failure::connect_failed, "there is no TLS to be had");
    co_return false;
  }
  tls::Result<std::unique_ptr<tls::Connection>> accepted =
      base::fail(tls::FaultKind::timeout, "the handshake took too long");
  if (hello && *hello == FirstRecord::of_too_long_a_hello) {
    // OpenSSL would make room for as much as a message says that it will be.
    accepted = base::fail(tls::FaultKind::protocol, std::string(describe(opening::HelloFault::too_long)));
  } else if (hello) {
    // With the transport goes what client_ knows of it.
    lost_ = std::make_unique<const base::Address>(client_.address);
    const auto left =
        std::max<base::Duration>(end - worker_.reactor.coarse_now(), std::chrono::milliseconds(1));
    accepted = co_await tls::accept(worker_.reactor, client_.listener->tls, std::move(stream_), left);
  }
  count_handshake(worker_.shard.proxy.downstream_tls, accepted);
  if (!accepted) {
    fail_tls(accepted.error());
    co_return false;
  }
  lost_.reset();
  has_agreed_ = !(*accepted)->protocol().empty();
  client_.peer.is_tls = true;
  stream_ = std::move(*accepted);
  co_return true;
}

void Opaque::fail_tls(const tls::Fault& fault) {
  switch (fault.kind) {
    case tls::FaultKind::io: failure_ = Failure::downstream_closed; break;
    case tls::FaultKind::timeout: failure_ = Failure::downstream_timeout; break;
    default: return refuse(Failure::malformed_request, "TLS: " + fault.detail);
  }
  reason_ = "TLS: " + fault.detail;
  is_opaque_ = true;
}

runtime::Task<void> Opaque::hear_client(std::optional<Protocol>* into, Look<Protocol> look) {
  *into = co_await opening::first_bytes(worker_.reactor, *stream_, look, worker_.limits().head_timeout,
                                        Patience::from_first_byte);
}

runtime::Task<void> Opaque::silent_for(base::Duration limit, runtime::Stream* server) {
  co_await worker_.reactor.sleep(limit);
  const bool has_begun = opening::peek(*stream_, protocol_of_client).has_begun ||
                         (server != nullptr && opening::peek(*server, protocol_of_server).has_begun);
  if (has_begun) co_await never();
}

runtime::Task<void> Opaque::hear_server(std::optional<Protocol>* into) {
  *into = co_await opening::first_bytes(worker_.reactor, *upstream_, protocol_of_server,
                                        worker_.limits().head_timeout, Patience::from_first_byte);
}

runtime::Task<void> Opaque::hear_http(std::optional<Protocol>* into) {
  co_await hear_client(into);
  if (*into && !is_http(**into)) co_await never();
}

runtime::Task<Protocol> Opaque::detect() {
  // A chain of this process that sends bytes has waited itself.
  const auto wait = client_.peer.context ? base::Duration::zero() : worker_.limits().first_word_wait;
  std::optional<Protocol> said;
  const bool has_spoken = co_await runtime::first(hear_client(&said), silent_for(wait)) == 0;
  co_return has_spoken ? said.value_or(Protocol::undecided) : co_await ask_server();
}

runtime::Task<Protocol> Opaque::ask_server() {
  std::optional<Protocol> said;
  const bool has_tried = co_await runtime::first(hear_http(&said), open_upstream()) == 1;
  if (!has_tried || said) co_return said.value_or(Protocol::undecided);
  // Until one of both has spoken it may end at any time.
  const Worker::Silence silence(client_, *stream_);
  const auto limit = worker_.limits().first_word_limit;
  const bool is_in_time = co_await runtime::first(hear_both(&said), silent_for(limit, upstream_.get())) == 0;
  if (said == Protocol::undecided) {
    // The server has ended at once, and may still take what the client sends; but no request, of which the
    // client would have no answer.
    stream_->shutdown_write();
    co_await runtime::first(hear_client(&said), silent_for(limit));
    co_return said && !is_http(*said) ? *said : Protocol::undecided;
  }
  if (is_in_time) co_return said.value_or(Protocol::undecided);
  co_return upstream_ ? co_await hear_at_rest() : Protocol::other;
}

runtime::Task<void> Opaque::hear_both(std::optional<Protocol>* into) {
  if (!upstream_) co_return co_await hear_client(into);
  std::optional<Protocol> client;
  std::optional<Protocol> server;
  const bool is_server = co_await runtime::first(hear_client(&client), hear_server(&server)) == 1;
  *into = is_server ? server : client;
}

runtime::Task<Protocol> Opaque::hear_at_rest() {
  upstream_.reset();
  place_.reset();
  attempts_.clear();
  if (client_.is_ending()) co_return Protocol::undecided;
  const auto idle = client_.listener->config->idle_timeout.value_or(worker_.limits().idle_timeout);
  std::optional<Protocol> said;
  co_await runtime::first(hear_client(&said, protocol_of_late_client),
                          silent_for(idle > base::Duration::zero() ? idle : no_limit));
  co_return said.value_or(Protocol::undecided);
}

runtime::Task<bool> Opaque::take_server_name() {
  std::optional<Hello> hello;
  {
    const Worker::Silence silence(client_, *stream_);
    hello = co_await opening::first_bytes(worker_.reactor, *stream_, client_hello,
                                          opening_limit(worker_.limits().head_timeout), Patience::from_now);
  }
  if (!hello && client_.is_ending()) co_return false;
  if (hello && *hello) {
    server_name_ = (*hello)->server_name;
    co_return true;
  }
  const auto fault = hello ? hello->error() : opening::HelloFault::not_tls;
  refuse(Failure::malformed_request, std::string(describe(fault)));
  if (fault != opening::HelloFault::not_tls) co_await alert(opening::alert_decode_error);
  co_return false;
}

runtime::Task<void> Opaque::alert(unsigned char description) {
  (void)co_await runtime::write_all(*stream_, opening::tls_alert(description));
  co_await http::h1::linger(worker_.reactor, *stream_, worker_.limits().linger_limit);
}

void Opaque::refuse(Failure failure, std::string reason) {
  failure_ = failure;
  reason_ = std::move(reason);
  is_opaque_ = true;
  ++worker_.shard.proxy.protocol_errors;
  ++worker_.shard.proxy.refused;
}

runtime::Task<void> Opaque::open_upstream() {
  // Let go once the way is known.
  const auto& listener = *client_.listener;
  const LocalPtr<Config> config = listener.pinned();
  const auto decision = config->plan->index.connection(listener.place, server_name_);
  if (decision) {
    cluster_name_ = decision->cluster->name;
    upstream_ = co_await connect(config->clusters[decision->cluster_place]);
  } else {
    failure_ = failure_of(decision.error());
    reason_ = decide::describe(decision.error());
    if (decision.error() == decide::Refusal::no_server_name) {
      reason_ = server_name_.empty() ? "the client asks for no server name, and no host is *"
                                     : reason_ + ": " + server_name_;
    }
  }
  series_ =
      &worker_.shard.ends(client_.ends(*listener.config, decision ? decision->cluster : nullptr,
                                       attempts_.empty() ? std::string() : attempts_.endpoint().workload));
}

runtime::Task<std::unique_ptr<runtime::Stream>> Opaque::connect(LocalPtr<ClusterState> cluster) {
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
    auto opened =
        co_await open_stream(worker_, endpoint, client_.listener->context, direction_, Speaks::bytes,
                             header_for(cluster->proxy_protocol()), cluster->connect_timeout());
    reason_.clear();
    if (opened) {
      failure_ = Failure::none;
      place.connected(opened->is_local);
      place_.emplace(std::move(place));
      co_return std::move(opened->stream);
    }
    place.failed();
    failure_ = opened.error();
    if (failure_ == Failure::tls_failed && endpoint->tls) reason_ = endpoint->tls->fault;
  }
  co_return nullptr;
}

void Opaque::note_refusal() {
  if (!upstream_ || failure_ != Failure::none) return;
  std::array<char, 1> byte{};
  const auto read = upstream_->try_read(byte);
  if (read || read.error().code != EKEYREJECTED) return;
  failure_ = Failure::tls_failed;
  if (const auto& tls = attempts_.endpoint().tls) reason_ = tls->fault;
}

std::string Opaque::header_for(snapshot::ProxyProtocol version) const {
  if (version == snapshot::ProxyProtocol::none) return {};
  const auto* told = client_.peer.header.get();
  const bool is_told = told != nullptr && told->source;
  const auto& source = is_told ? told->source : stream_->peer();
  const auto destination = is_told ? told->destination : runtime::local_address(socket_);
  return version == snapshot::ProxyProtocol::v1 ? opening::proxy_header_v1(source, destination)
                                                : opening::proxy_header_v2(source, destination);
}

Opaque::~Opaque() {
  if (!is_opaque_) return;
  if (series_ != nullptr) series_->tcp_closed();
  if (!worker_.logs_access() || (failure_ == Failure::none && !worker_.is_sampled())) return;
  telemetry::AccessRecord record;
  record.start = wall_;
  record.duration = worker_.reactor.coarse_now() - start_;
  record.listener = name_;
  record.source_workload = client_.peer.id().workload;
  record.source_namespace = client_.peer.id().ns;
  record.host = server_name_;
  record.flag = flag_of(failure_);
  if (is_cut_ && failure_ == Failure::none) reason_ = "cut while it was under way: the proxy ends";
  record.reason = reason_.empty() ? describe(failure_) : reason_;
  record.bytes_received = bytes_.to_upstream;
  record.bytes_sent = bytes_.to_client;
  record.cluster = cluster_name_;
  const bool is_told = client_.peer.header && client_.peer.header->source;
  record.client = is_told ? &client_.peer.header->source : lost_ ? lost_.get() : &client_.address;
  record.attempts = static_cast<int>(attempts_.count());
  if (!attempts_.empty()) {
    record.endpoint = attempts_.endpoint().instance();
    record.upstream = &attempts_.endpoint().address();
  }
  worker_.log_access(record);
}

}  // namespace

runtime::Task<void> serve_opening(Worker& worker, LocalPtr<ListenerState> listener,
                                  std::unique_ptr<runtime::Stream> stream, Peer peer) {
  Opaque connection(worker, std::move(listener), std::move(stream), std::move(peer));
  if (co_await connection.open()) co_await connection.carry();
  connection.note_refusal();
}

}  // namespace weft::proxy
