#include "proxy/h2_session.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/base64.h"
#include "base/hash.h"
#include "message/syntax.h"
#include "proxy/endpoint.h"

namespace weft::proxy {
namespace {

using message::FieldId;

/// Streams of one session at most, so that one connection's losses and its server's one core do not hold back
/// all.
constexpr std::uint32_t most_streams = 256;
/// What of a response waits here for a client that does not take it: as much as nghttpx and HAProxy give, so
/// that one with 1,000 streams holds at most 64 MiB.
constexpr std::uint32_t stream_window = 64 * 1024;
/// No stream waits for the reader of another, who is another client. And no PINGs: servers of gRPC take one
/// in five minutes; what is gone TCP's keep-alive finds out.
constexpr http::h2::Limits limits{.stream_window = stream_window,
                                  .connection_window = most_streams * stream_window,
                                  .ping_interval = base::Duration::zero()};

/// RFC 6455, 4.2.2.
std::string websocket_accept(std::string_view key) {
  const auto digest = base::sha1(std::string(key).append("258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
  return base::encode_base64({digest.data(), digest.size()});
}

}  // namespace

H2Upstream::H2Upstream(runtime::Reactor& reactor, http::h2::ClientStream stream,
                       const http::h2::Connection& connection)
    : stream_(std::move(stream)),
      connection_(connection),
      deadline_(reactor, *this),
      write_deadline_(reactor, *this) {}

void H2Upstream::put_head(const message::RequestHead& head, const message::Content& content,
                          const message::Patch& patch) {
  const auto protocol = patch.result(head.headers, FieldId::upgrade);
  if (!connection_.may_extend_connect() || !protocol ||
      !message::equals_ignore_case(*protocol, "websocket")) {
    stream_.put_head(head, content, patch);
    return;
  }
  accept_ = websocket_accept(patch.result(head.headers, FieldId::sec_websocket_key).value_or(""));
  stream_.put_head(head, content, patch, "websocket");
}

std::optional<http::ReadResult<void>> H2Upstream::try_head(message::Method) {
  auto read = stream_.try_head();
  if (read && *read && !accept_.empty() && stream_.head().status / 100 == 2) {
    auto& head = stream_.head();
    head.status = 101;
    head.headers.set(FieldId::upgrade, "websocket");
    head.headers.set(FieldId::sec_websocket_accept, accept_);
  }
  return read;
}

runtime::Task<Taken> H2Upstream::taken(http::ReadError, bool) { co_return Taken::unknown; }

runtime::Stream& H2Upstream::stream() {
  if (!tunnel_) tunnel_ = std::make_unique<H2Tunnel>(stream_);
  return *tunnel_;
}

H2Session::H2Session(runtime::Reactor& reactor, ConnectionPlace at, std::unique_ptr<runtime::Stream> stream,
                     bool leads_to_chain)
    : PooledSession(std::move(at), leads_to_chain, reactor.coarse_now()),
      reactor_(reactor),
      connection_(http::h2::Connection::client(reactor, std::move(stream), limits)) {
  connection_.changed().wait(*this);
}

H2Session::~H2Session() { connection_.changed().cancel(*this); }

Pool<H2Session>& H2Session::pool_of(EndpointState& endpoint) { return endpoint.h2(); }

H2Session::Lent H2Session::lend() {
  return std::make_unique<H2Upstream>(reactor_, std::move(*connection_.open()), connection_);
}

bool H2Session::can_lend(std::uint32_t lent) const {
  if (!connection_.is_open()) return false;
  const auto most =
      connection_.is_settled() ? std::min(connection_.max_streams(), most_streams) : first_streams;
  return lent < most;
}

bool H2Session::seems_open() {
  if (connection_.is_idle()) connection_.poll();
  return connection_.is_open();
}

void H2Session::wake() {
  connection_.changed().wait(*this);
  const LocalPtr<H2Session> self(this);
  if (connection_.is_settled() || !connection_.is_open()) settled_.set();
  auto& pool = pool_of(place.endpoint());
  if (connection_.is_open()) {
    pool.offer(self);
  } else {
    pool.drop(*this);
  }
}

runtime::Task<void> H2Session::settled() { co_await settled_.wait(); }

}  // namespace weft::proxy
