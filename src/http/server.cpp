#include "http/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "http/h1/limits.h"
#include "http/h1/linger.h"
#include "message/authority.h"
#include "runtime/heap.h"
#include "runtime/log.h"

namespace weft::http {
namespace {

// How long a connection that we close waits for its peer to read our last response and close too.
constexpr auto linger_limit = std::chrono::seconds(1);
// Connections that are being answered 503 at one time; further ones are just closed.
constexpr std::size_t max_turning_away = 64;
// When of so many connections three quarters have gone, the memory that they used goes back to the system.
constexpr std::size_t crowd = 256;

/// Ends with the first of two.
runtime::Task<void> either(runtime::Task<void> a, runtime::Task<void> b) {
  co_await runtime::first(std::move(a), std::move(b));
}

struct Never {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<>) const {}
  void await_resume() const {}
};

}  // namespace

class Exchange::AtPeer {
 public:
  AtPeer(std::list<Exchange*>& list, Exchange& exchange)
      : list_(list), place_(list.insert(list.end(), &exchange)) {}
  AtPeer(const AtPeer&) = delete;
  AtPeer& operator=(const AtPeer&) = delete;
  ~AtPeer() { list_.erase(place_); }

 private:
  std::list<Exchange*>& list_;
  std::list<Exchange*>::iterator place_;
};

Exchange::Exchange(Server& server, runtime::Stream& stream)
    : server_(server),
      stream_(stream),
      options_(server.options_),
      deadline_(server.reactor_, stream),
      reader_(stream),
      writer_(stream),
      gone_(server.reactor_) {}

void Exchange::hold(std::size_t bytes) {
  held_ += bytes;
  server_.stats_.held_bytes += bytes;
  while (server_.stats_.held_bytes > options_.max_held_bytes && server_.displace(true, this)) {
  }
}

void Exchange::let_go(std::size_t bytes) {
  // Whoever was displaced has let go of all already.
  bytes = std::min(bytes, held_);
  held_ -= bytes;
  server_.stats_.held_bytes -= bytes;
}

std::optional<std::string> Exchange::query(std::string_view name) const {
  for (const auto& [key, value] : query_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

/// The next request as a whole; false if the connection is to be closed, what is to be said having been said.
runtime::Task<bool> Exchange::receive() {
  const AtPeer waits(server_.receiving_, *this);
  started_ = streaming_ = bodyless_ = keep_alive_ = false;
  body_ = {};
  let_go(held_);
  if (reader_.buffered().empty()) {
    deadline_.expires_after(options_.idle_limit);
    const auto size = co_await reader_.read_ahead();
    if (!size || *size == 0) co_return false;
  }
  deadline_.expires_after(options_.request_limit);
  if (const auto read = co_await reader_.read_head(); !read) {
    if (read.error().kind == ReadError::Kind::refused) {
      co_await refuse(message::status_of(read.error().refusal), message::describe(read.error().refusal));
    }
    co_return false;
  }
  keep_alive_ = h1::keeps_alive(head().version, head().headers);
  bodyless_ = method() == message::Method::head;
  if (!co_await receive_body()) co_return false;
  auto segments = message::path_segments(path());
  if (!segments) {
    co_await refuse(400, "a malformed % escape in the path");
    co_return false;
  }
  segments_ = std::move(*segments);
  query_ = message::parse_query(head().query());
  deadline_.clear();
  co_return true;
}

runtime::Task<bool> Exchange::receive_body() {
  if (reader_.framing().length > options_.max_body_bytes) {
    co_await refuse(413, "the body is too large");
    co_return false;
  }
  if (h1::expects_continue(head(), reader_.framing())) {
    message::ResponseHead interim;
    interim.status = 100;
    writer_.put_head(interim, {});
    if (!co_await writer_.flush()) co_return false;
  }
  while (true) {
    const auto piece = co_await reader_.read_body();
    if (!piece) {
      if (piece.error().kind == ReadError::Kind::refused) {
        co_await refuse(message::status_of(piece.error().refusal), message::describe(piece.error().refusal));
      }
      co_return false;
    }
    if (piece->empty()) co_return true;
    if (body_.size() + piece->size() > options_.max_body_bytes) {
      co_await refuse(413, "the body is too large");
      co_return false;
    }
    hold(piece->size());
    body_.append(*piece);
  }
}

/// Answers what cannot become an exchange; the connection is closed after it.
runtime::Task<void> Exchange::refuse(int status, std::string_view why) {
  keep_alive_ = false;
  const auto page = options_.refusal(status, why);
  auto response = response_head(status, {{"content-type", page.content_type}});
  writer_.put_head(response, h1::Framing::of_length(page.body.size()));
  deadline_.expires_after(options_.write_limit);
  co_await writer_.write(page.body, true);
}

message::ResponseHead Exchange::response_head(int status, message::Headers headers) {
  message::ResponseHead response;
  response.status = status;
  response.headers = std::move(headers);
  response.headers.add_own(message::FieldId::date, base::format_http_date(server_.reactor_.coarse_wall()));
  if (server_.stopping_.event.is_set()) keep_alive_ = false;
  if (!keep_alive_) {
    response.headers.set(message::FieldId::connection, "close");
    linger_ = true;
  } else if (head().version == message::Version::http_1_0) {
    response.headers.set(message::FieldId::connection, "keep-alive");
  }
  return response;
}

runtime::Task<void> Exchange::reply(int status, message::Headers headers, std::string body) {
  if (std::exchange(started_, true)) {
    // A second reply would be taken for the answer to the next request.
    runtime::log::error("http", "second reply to {} {}", head().method_text(), path());
    co_return;
  }
  auto framing = h1::Framing::of_length(body.size());
  if (status == 204 || status == 304) {
    framing = {};
    body.clear();
  } else if (bodyless_) {
    framing = {h1::Framing::Kind::none, 0, body.size()};
    body.clear();
  }
  // It may wait long for its reader, and was made by appending, which leaves up to as much room again.
  body.shrink_to_fit();
  writer_.put_head(response_head(status, std::move(headers)), framing);
  co_await settle(body, true);
}

runtime::Task<void> Exchange::start(int status, message::Headers headers) {
  started_ = streaming_ = true;
  auto framing = h1::Framing::chunked();
  if (bodyless_ || status == 204 || status == 304) {
    framing = {};
  } else if (head().version == message::Version::http_1_0) {
    framing = h1::Framing::until_close();
    keep_alive_ = false;
  }
  bodyless_ = framing.kind == h1::Framing::Kind::none;
  writer_.put_head(response_head(status, std::move(headers)), framing);
  if (peer_closed_) co_await give_up();
  co_await settle({}, false);
}

runtime::Task<void> Exchange::write(std::string piece) {
  if (bodyless_ || piece.empty()) co_return;
  co_await settle(piece, false);
}

runtime::Task<void> Exchange::finish() {
  if (!writer_.is_done()) co_await settle({}, true);
}

runtime::Task<void> Exchange::settle(std::string_view piece, bool last) {
  const AtPeer waits(server_.sending_, *this);
  hold(piece.size());
  deadline_.expires_after(options_.write_limit);
  const auto written = co_await writer_.write(piece, last);
  deadline_.clear();
  let_go(piece.size());
  if (!written) co_await give_up();
}

/// Never ends: the handler that waits for it is cancelled.
runtime::Task<void> Exchange::give_up() {
  keep_alive_ = false;
  gone_.soon.set();
  co_await Never();
}

/// Ends when nobody is left to read the reply. Bytes of a next request stay in the buffer.
runtime::Task<void> Exchange::watch_peer() {
  while (true) {
    const auto size = co_await reader_.read_ahead();
    if (size && *size > 0) continue;
    if (!size && size.error().code != ENOBUFS) break;
    if (size) {
      peer_closed_ = true;
      if (streaming_) break;
    }
    // The rest of this request can only end by its reply, or by gone_.
    co_await Never();
  }
  keep_alive_ = false;
}

Server::Server(runtime::Reactor& reactor, Handler handler, ServerOptions options)
    : reactor_(reactor), handler_(std::move(handler)), options_(std::move(options)), stopping_(reactor) {}

runtime::Task<runtime::IoResult<void>> Server::serve(runtime::Acceptor& acceptor) {
  while (!stopping_.event.is_set()) {
    std::optional<runtime::IoResult<std::unique_ptr<runtime::Stream>>> accepted;
    co_await runtime::first(runtime::detail::store(acceptor.accept(), &accepted), until(stopping_.event));
    if (!accepted) break;
    if (!*accepted) co_return std::unexpected(accepted->error());
    if (connections_.size() < options_.max_connections || displace(false, nullptr)) {
      serve(std::move(**accepted));
    } else if (++stats_.turned_away; connections_.size() < options_.max_connections + max_turning_away) {
      connections_.spawn(turn_away(std::move(**accepted)));
    }
  }
  co_return runtime::IoResult<void>{};
}

void Server::serve(std::unique_ptr<runtime::Stream> stream) { connections_.spawn(run(std::move(stream))); }

runtime::Task<void> Server::stop(base::Duration limit) {
  stopping_.event.set();
  co_await runtime::within(reactor_, limit, connections_.join());
  connections_.cancel();
}

bool Server::displace(bool held, const Exchange* but) {
  for (auto* waiting : {&sending_, &receiving_}) {
    const auto found = std::ranges::find_if(*waiting, [&](const Exchange* exchange) {
      return exchange != but && !exchange->displaced_ && (!held || exchange->held_ > 0);
    });
    if (found == waiting->end()) continue;
    auto& exchange = **found;
    exchange.displaced_ = true;
    exchange.let_go(exchange.held_);
    ++stats_.displaced;
    // What it waits for ends with this, and perhaps the exchange itself.
    exchange.stream_.fail({ENOBUFS});
    return true;
  }
  return false;
}

runtime::Task<void> Server::turn_away(std::unique_ptr<runtime::Stream> stream) {
  Exchange exchange(*this, *stream);
  co_await exchange.refuse(503, fmt::format("all {} connections are in use", options_.max_connections));
  if (exchange.writer_.is_done()) co_await h1::linger(reactor_, *stream, linger_limit);
}

/// One connection from its first request to its end.
runtime::Task<void> Server::run(std::unique_ptr<runtime::Stream> stream) {
  Exchange exchange(*this, *stream);
  while (!stopping_.event.is_set()) {
    std::optional<bool> received;
    co_await runtime::first(runtime::detail::store(exchange.receive(), &received), until(stopping_.event));
    if (!received.value_or(false)) break;
    auto peer_gone = either(exchange.watch_peer(), until(exchange.gone_.event));
    co_await runtime::first(respond(exchange), std::move(peer_gone));
    if (!exchange.keep_alive_) break;
  }
  if (exchange.linger_ && exchange.writer_.is_done()) co_await h1::linger(reactor_, *stream, linger_limit);
  note_connections();
}

/// The allocator keeps what a crowd of connections has freed, between what lives on.
void Server::note_connections() {
  most_connections_ = std::max(most_connections_, connections_.size());
  if (most_connections_ < crowd || connections_.size() > most_connections_ / 4) return;
  most_connections_ = connections_.size();
  runtime::trim_heap();
}

/// Runs the handler and completes what it left open.
runtime::Task<void> Server::respond(Exchange& exchange) {
  co_await handler_(exchange);
  if (!exchange.is_started()) {
    runtime::log::error("http", "no reply to {} {}", exchange.head().method_text(), exchange.path());
    co_await exchange.reply(500, {{"content-type", "text/plain"}}, "no reply\n");
  }
  co_await exchange.finish();
}

}  // namespace weft::http
