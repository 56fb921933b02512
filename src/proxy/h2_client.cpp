#include "proxy/h2_client.h"

#include <array>
#include <bit>
#include <utility>

#include "base/base64.h"
#include "message/syntax.h"
#include "proxy/h1_session.h"
#include "proxy/serve.h"
#include "proxy/worker.h"
#include "runtime/combine.h"

namespace weft::proxy {
namespace {

using message::FieldId;

/// Of a session that another chain of this process shares between its clients: all its streams at once, so
/// that no slow one of them stops the others.
constexpr std::uint32_t chains_window = 256 * http::h2::Limits{}.stream_window;
/// A client that stops to read shall lose a stream before it loses its connection, whose PING it leaves
/// unread.
constexpr auto ping_margin = std::chrono::seconds(10);

http::h2::Limits limits_of(const Limits& limits, bool is_chain) {
  http::h2::Limits own;
  own.max_streams = limits.max_streams_per_connection;
  own.head_timeout = limits.head_timeout;
  own.ping_timeout = limits.body_timeout + ping_margin;
  own.takes_extended_connect = true;
  if (is_chain) own.connection_window = chains_window;
  return own;
}

/// A nonce as HTTP/1.1's handshake asks for (RFC 6455, 4.1): of a client that had no need of one.
std::string new_websocket_key(base::Random& random) {
  const std::array<std::uint64_t, 2> bits{random.next(), random.next()};
  const auto bytes = std::bit_cast<std::array<char, 16>>(bits);
  return base::encode_base64({bytes.data(), bytes.size()});
}

bool has_content_by_nature(message::Method method) {
  return method == message::Method::post || method == message::Method::put ||
         method == message::Method::patch;
}

}  // namespace

H2Request::H2Request(H2Client& of, http::h2::ServerStream stream)
    : client_(of),
      stream_(std::move(stream)),
      read_deadline_(of.worker.reactor, *this),
      write_deadline_(of.worker.reactor, *this),
      running_(serve(), *this) {
  stream_.limit_pauses(write_deadline_, of.worker.limits().body_timeout);
  auto& headers = stream_.head().headers;
  const auto protocol = headers.find(FieldId::upgrade);
  if (protocol && message::equals_ignore_case(*protocol, "websocket"))
    headers.set(FieldId::sec_websocket_key, new_websocket_key(of.worker.random));
}

ClientConnection& H2Request::connection() { return client_; }

message::Content H2Request::content() const {
  const auto& content = stream_.content();
  // That there is none must be said where one is expected (RFC 9110, 8.6); here the end of the stream did.
  const bool is_none = content.kind == message::Content::Kind::none;
  return is_none && has_content_by_nature(head().method) ? message::Content::of_length(0) : content;
}

http::h2::RequestStream::Sending H2Request::write(std::string_view piece, bool last,
                                                  const message::Headers* trailers) {
  if (const auto* head = std::exchange(queued_, nullptr))
    stream_.put_head(*head, queued_content_, response_patch_);
  return stream_.write(piece, last, trailers);
}

runtime::Stream& H2Request::stream() {
  if (!tunnel_) tunnel_ = std::make_unique<H2Tunnel>(stream_);
  return *tunnel_;
}

runtime::Task<void> H2Request::serve() {
  const auto refusal = stream_.refusal();
  if (refusal) stream_.head().clear();  // what was taken of it is not to be trusted
  const bool is_whole =
      refusal ? co_await refuse_malformed(*this, *refusal) : co_await serve_request<H1Session>(*this);
  // What the client has of a response must not look whole.
  if (!is_whole) stream_.reset(http::h2::ResetCode::internal_error);
}

void H2Request::wake() { client_.finish(*this); }

H2Client::H2Client(Worker& of, LocalPtr<ListenerState> from, std::unique_ptr<runtime::Stream> stream,
                   Peer caller, std::string_view received)
    : HttpConnection(of, std::move(from), own_address_, std::move(caller)),
      own_address_(stream->peer()),
      connection_(http::h2::Connection::server(of.reactor, std::move(stream),
                                               limits_of(of.limits(), peer.is_chain), received)) {
  count_requests(0);
  wait_for(idle_limit());
}

H2Client::~H2Client() {
  while (!requests_.empty()) delete &requests_.front();
}

void H2Client::begin(http::h2::ServerStream stream) {
  ++requests;
  wait_no_more();
  auto* request = new H2Request(*this, std::move(stream));
  requests_.push_back(*request);
  count_requests(requests_under_way() + 1);
  request->start();
}

void H2Client::finish(H2Request& request) {
  count_requests(requests_under_way() - 1);
  delete &request;
  if (!requests_.empty()) return;
  wait_for(idle_limit());
  if (is_over()) connection_.changed().notify();  // the end of this
}

void H2Client::take_requests() {
  while (!connection_.has_ended()) {
    auto stream = connection_.try_accept();
    if (!stream) return;
    begin(std::move(*stream));
    if (is_ending()) connection_.shut_down();
  }
}

runtime::Task<void> H2Client::run(std::unique_ptr<H2Client> client) {
  while (!client->is_over()) {
    client->take_requests();
    co_await runtime::Wait(client->connection_.changed());
  }
}

runtime::Task<void> serve_h2(Worker& worker, LocalPtr<ListenerState> listener,
                             std::unique_ptr<runtime::Stream> stream, Peer peer, std::string received) {
  // No coroutine: its frame would keep the parameters beside what is made of them.
  return H2Client::run(
      std::make_unique<H2Client>(worker, std::move(listener), std::move(stream), std::move(peer), received));
}

}  // namespace weft::proxy
