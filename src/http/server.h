// A small HTTP/1.1 server for the REST API and the admin pages: one handler, keep-alive, streamed replies,
// limits.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "http/h1/reader.h"
#include "http/h1/writer.h"
#include "message/head.h"
#include "runtime/combine.h"
#include "runtime/reactor.h"
#include "runtime/scope.h"
#include "runtime/socket.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::http {

/// A body and its type.
struct Page {
  std::string content_type;
  std::string body;
};

struct ServerOptions {
  /// Larger bodies are answered with 413.
  std::size_t max_body_bytes = 32 * 1024 * 1024;
  /// With so many connections, a new one takes the place of the one that has waited longest for its peer; if
  /// none waits, it is answered with 503. Below the usual limit of descriptors, with room.
  std::size_t max_connections = 1024;
  /// Bytes of all connections' bodies that are held for slow peers: requests that are not complete, replies
  /// that are not read. Above it whoever has kept them longest loses its connection. Some of the largest
  /// bodies at a time, and small against the memory of any machine.
  std::size_t max_held_bytes = 64 * 1024 * 1024;
  /// The body of a refusal by the server itself (400, 408, 413, 431, 503 and the like).
  std::function<Page(int status, std::string_view why)> refusal = [](int, std::string_view why) {
    return Page{"text/plain", std::string(why) + "\n"};
  };
  /// For a request's head and body to arrive, from its first byte.
  base::Duration request_limit = std::chrono::seconds(30);
  /// Without a request.
  base::Duration idle_limit = std::chrono::seconds(120);
  /// For a client to take one piece of a reply.
  base::Duration write_limit = std::chrono::seconds(30);
};

class Server;

/// One request and its reply. A handler calls either reply() once, or start(), write() any number of times
/// and finish(). A handler whose client has gone is cancelled (destroyed where it waits), so nothing here
/// reports that: at once when the connection breaks or the reply cannot be sent; when the client merely
/// closed its side, once start() was called.
class Exchange {
 public:
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const message::RequestHead& head() const { return reader_.head(); }
  message::Method method() const { return head().method; }
  /// As sent, not decoded.
  std::string_view path() const { return head().path(); }
  /// The path's segments, decoded: "/api/v1/pods" gives api, v1, pods.
  const std::vector<std::string>& segments() const { return segments_; }
  /// The first query parameter of that name, decoded.
  std::optional<std::string> query(std::string_view name) const;
  /// All of them in order.
  const std::vector<std::pair<std::string, std::string>>& query() const { return query_; }
  std::optional<std::string_view> header(std::string_view name) const { return head().headers.find(name); }
  /// The whole body.
  const std::string& body() const { return body_; }
  /// The client's address; none for Unix and memory.
  const base::Address& peer() const { return stream_.peer(); }

  /// Sends the whole reply. A HEAD request gets it without the body.
  runtime::Task<void> reply(int status, message::Headers headers, std::string body);
  /// Sends the head of a reply whose body follows piece by piece.
  runtime::Task<void> start(int status, message::Headers headers);
  /// Sends one piece at once. Returns when the connection has taken it.
  runtime::Task<void> write(std::string piece);
  /// Ends the streamed reply; the server does it too, for a handler that ends without.
  runtime::Task<void> finish();
  /// reply() or start() has been called.
  bool is_started() const { return started_; }

 private:
  friend class Server;
  Exchange(Server& server, runtime::Stream& stream);
  ~Exchange() { let_go(held_); }

  /// Lists it, for as long as it waits for its peer, at the end of a list of those that do.
  class AtPeer;

  /// That many bytes are kept for this peer, or no longer.
  void hold(std::size_t bytes);
  void let_go(std::size_t bytes);
  runtime::Task<bool> receive();
  runtime::Task<bool> receive_body();
  runtime::Task<void> refuse(int status, std::string_view why);
  runtime::Task<void> watch_peer();
  message::ResponseHead response_head(int status, message::Headers headers);
  /// Writes to the client, whom it gives up if that fails.
  runtime::Task<void> settle(std::string_view piece, bool last);
  runtime::Task<void> give_up();

  /// Sets an Event from the loop: a handler that finds out itself that its client is gone must not be
  /// destroyed while it runs.
  struct SetSoon final : runtime::Waiter {
    explicit SetSoon(runtime::Reactor& reactor) : soon(reactor, *this) {}
    void wake() override { event.set(); }
    runtime::Soon soon;
    runtime::Event event;
  };

  Server& server_;
  runtime::Stream& stream_;
  const ServerOptions& options_;
  runtime::Deadline deadline_;
  h1::RequestReader reader_;
  h1::Writer writer_;
  std::vector<std::string> segments_;
  std::vector<std::pair<std::string, std::string>> query_;
  std::string body_;
  bool started_ = false;
  bool streaming_ = false;  // by start()
  bool keep_alive_ = false;
  bool bodyless_ = false;  // the reply's body is not sent: HEAD
  bool peer_closed_ = false;
  bool linger_ = false;  // our last response said that the connection closes
  std::size_t held_ = 0;
  bool displaced_ = false;
  SetSoon gone_;
};

using Handler = std::function<runtime::Task<void>(Exchange&)>;

/// Serves connections until it is stopped or destroyed (not from within a handler). Handlers of different
/// connections run beside each other on the reactor's thread. A handler that ends without a reply is answered
/// for with 500.
class Server {
 public:
  Server(runtime::Reactor& reactor, Handler handler, ServerOptions options = {});
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Accepts and serves; ends after stop(), or with the acceptor's error. Cancel it to stop accepting only.
  runtime::Task<runtime::IoResult<void>> serve(runtime::Acceptor& acceptor);
  /// Serves one connection beside the others.
  void serve(std::unique_ptr<runtime::Stream> stream);
  /// No new connections and requests from now on, idle connections close; ends when the running exchanges
  /// have ended, at the latest after `limit`, when the rest is cancelled. Not from within a handler.
  runtime::Task<void> stop(base::Duration limit);
  /// The first half of stop(), from anywhere, also from within a handler.
  void begin_stop() { stopping_.soon.set(); }
  std::size_t connections() const { return connections_.size(); }

  struct Stats {
    /// See ServerOptions::max_held_bytes.
    std::size_t held_bytes = 0;
    /// Connections that were closed in favour of others, by either limit, and those that were answered 503.
    std::uint64_t displaced = 0;
    std::uint64_t turned_away = 0;
  };
  const Stats& stats() const { return stats_; }

 private:
  friend class Exchange;

  runtime::Task<void> run(std::unique_ptr<runtime::Stream> stream);
  void note_connections();
  runtime::Task<void> turn_away(std::unique_ptr<runtime::Stream> stream);
  /// Closes the connection of the exchange that has waited for its peer longest, one that sends before one
  /// that receives; with `held`, of those for whom bytes are held. Never that of `but`. False if there is
  /// none.
  bool displace(bool held, const Exchange* but);
  runtime::Task<void> respond(Exchange& exchange);

  runtime::Reactor& reactor_;
  Handler handler_;
  ServerOptions options_;
  Exchange::SetSoon stopping_;
  Stats stats_;
  std::size_t most_connections_ = 0;  // since memory was given back last
  // Those that wait for their peers, the longest first: for a request to be complete, or a reply to be taken.
  std::list<Exchange*> receiving_;
  std::list<Exchange*> sending_;
  runtime::Scope connections_;  // last: its tasks use all of the above
};

}  // namespace weft::http
