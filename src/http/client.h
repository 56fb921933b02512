// An HTTP/1.1 client for one address: for the REST API's users and whatever else answers on a socket.
// Keep-alive, limits, streamed responses for watches and logs.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "base/error.h"
#include "message/head.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::http {

enum class ClientErrorKind : std::uint8_t {
  /// The request cannot be written as HTTP/1.1: its target is empty or has bytes that must be encoded.
  bad_request,
  /// No connection could be made.
  connect_failed,
  /// The limit passed.
  timeout,
  /// The connection ended or broke before the whole response was there.
  closed,
  /// The response is not valid HTTP/1.1.
  protocol,
  /// The body is larger than the client's limit.
  too_large,
};
using ClientError = base::ErrorOf<ClientErrorKind>;
template <class T>
using ClientResult = std::expected<T, ClientError>;

/// "connect_failed" and so on.
std::string_view to_string(ClientErrorKind kind);
/// Whether nothing of the request was sent, so that sending it again is safe.
bool had_no_effect(ClientErrorKind kind);

struct Request {
  message::Method method = message::Method::get;
  /// Path and query, encoded.
  std::string target = "/";
  /// Host is added if it is missing.
  message::Headers headers;
  std::string body;
};

struct Response {
  int status = 0;
  message::Headers headers;
  std::string body;
};

struct ClientOptions {
  /// The value of Host; by default the address, or "localhost" for a Unix socket.
  std::string host;
  std::size_t max_body_bytes = 256 * 1024 * 1024;
  base::Duration connect_limit = std::chrono::seconds(5);
  /// Where its connections come from, in place of the address; null from it: the address.
  std::function<std::unique_ptr<runtime::Stream>()> dial;
  /// Connections kept open for the next request.
  std::size_t max_idle = 4;
};

struct ClientConnection;

/// A response whose body arrives piece by piece, such as a watch. Destroying it closes the connection.
class ResponseStream {
 public:
  ResponseStream(const ResponseStream&) = delete;
  ResponseStream& operator=(const ResponseStream&) = delete;
  ~ResponseStream();

  const message::ResponseHead& head() const;
  int status() const { return head().status; }
  /// The next piece as it arrives; nothing at the end of the body. Without a time limit: use runtime::within
  /// for one.
  runtime::Task<ClientResult<std::optional<std::string>>> next();
  /// The next line without its "\n"; a last line that has none comes out too. Nothing at the end. Do not mix
  /// with next().
  runtime::Task<ClientResult<std::optional<std::string>>> next_line();
  /// All that is left, up to `max_bytes`: for the body of an error.
  runtime::Task<ClientResult<std::string>> rest(std::size_t max_bytes = 1024 * 1024);

 private:
  friend class Client;
  explicit ResponseStream(std::unique_ptr<ClientConnection> connection);

  std::unique_ptr<ClientConnection> connection_;
  std::string lines_;        // what arrived behind the last line that was given out
  std::size_t scanned_ = 0;  // of lines_: no "\n" before this
  bool ended_ = false;
};

/// One thread's client. Requests may run beside each other; each has a connection of its own meanwhile. It
/// must outlive its requests, but not its ResponseStreams.
class Client {
 public:
  Client(runtime::Reactor& reactor, base::Address address, ClientOptions options = {});
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  /// Sends and reads the whole response within `limit`. An idempotent request whose kept-alive connection
  /// turns out to have been closed before a response began is sent once more on a new connection.
  runtime::Task<ClientResult<Response>> send(Request request,
                                             base::Duration limit = std::chrono::seconds(30));
  /// Sends and returns when the response's head is there; `limit` is for that.
  runtime::Task<ClientResult<std::unique_ptr<ResponseStream>>> open(
      Request request, base::Duration limit = std::chrono::seconds(30));

  const base::Address& address() const { return address_; }

 private:
  using Connection = std::unique_ptr<ClientConnection>;

  runtime::Task<ClientResult<Connection>> exchange(Request request);
  runtime::Task<ClientResult<Connection>> connect();
  runtime::Task<ClientResult<Response>> fetch(Request request);
  Connection take_idle();

  runtime::Reactor& reactor_;
  base::Address address_;
  ClientOptions options_;
  std::vector<Connection> idle_;
};

}  // namespace weft::http
