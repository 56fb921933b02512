#include "http/client.h"

#include <fmt/format.h>

#include <algorithm>

#include "http/h1/reader.h"
#include "http/h1/writer.h"
#include "runtime/combine.h"
#include "runtime/socket.h"

namespace weft::http {

/// One connection with the message that is under way on it.
struct ClientConnection {
  explicit ClientConnection(std::unique_ptr<runtime::Stream> connected)
      : stream(std::move(connected)), reader(*stream), writer(*stream) {}

  /// Sends the request and reads the head of its final response.
  runtime::Task<std::optional<ClientError>> round(const Request* request, const message::RequestHead* head);

  std::unique_ptr<runtime::Stream> stream;
  h1::ResponseReader reader;
  h1::Writer writer;
};

namespace {

ClientError to_error(const ReadError& error) {
  switch (error.kind) {
    case ReadError::Kind::refused: return {ClientErrorKind::protocol, error.to_string()};
    case ReadError::Kind::closed:
    case ReadError::Kind::truncated:
    case ReadError::Kind::unprocessed:
    case ReadError::Kind::reset:
    case ReadError::Kind::io: break;
  }
  return {ClientErrorKind::closed, error.to_string()};
}

message::RequestHead to_head(const Request& request, std::string_view host) {
  message::RequestHead head;
  head.method = request.method;
  head.target = request.target;
  head.headers = request.headers;
  if (!head.headers.has(message::FieldId::host)) head.headers.add(message::FieldId::host, host);
  return head;
}

bool is_target(std::string_view target) {
  return target.starts_with('/') &&
         std::ranges::all_of(target, [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
}

bool expects_body(message::Method method) {
  return method == message::Method::post || method == message::Method::put ||
         method == message::Method::patch;
}

}  // namespace

std::string_view to_string(ClientErrorKind kind) {
  switch (kind) {
    case ClientErrorKind::bad_request: return "bad_request";
    case ClientErrorKind::connect_failed: return "connect_failed";
    case ClientErrorKind::timeout: return "timeout";
    case ClientErrorKind::closed: return "closed";
    case ClientErrorKind::protocol: return "protocol";
    case ClientErrorKind::too_large: return "too_large";
  }
  return {};
}

bool had_no_effect(ClientErrorKind kind) {
  return kind == ClientErrorKind::bad_request || kind == ClientErrorKind::connect_failed;
}

runtime::Task<std::optional<ClientError>> ClientConnection::round(const Request* request,
                                                                  const message::RequestHead* head) {
  const bool has_body = !request->body.empty() || expects_body(request->method);
  writer.put_head(*head, has_body ? h1::Framing::of_length(request->body.size()) : h1::Framing{});
  // A server may answer and close before it has read all: what it said counts more than that writing failed.
  const auto written = co_await writer.write(request->body, true);
  do {
    const auto read = co_await reader.read_head(request->method);
    if (!read) co_return to_error(read.error());
  } while (reader.head().is_interim());
  if (!written && reader.head().status < 400)
    co_return ClientError{ClientErrorKind::closed, written.error().message()};
  co_return std::nullopt;
}

ResponseStream::ResponseStream(std::unique_ptr<ClientConnection> connection)
    : connection_(std::move(connection)) {}
ResponseStream::~ResponseStream() = default;

const message::ResponseHead& ResponseStream::head() const { return connection_->reader.head(); }

runtime::Task<ClientResult<std::optional<std::string>>> ResponseStream::next() {
  const auto piece = co_await connection_->reader.read_body();
  if (!piece) co_return std::unexpected(to_error(piece.error()));
  std::optional<std::string> result;
  if (!piece->empty()) result.emplace(*piece);
  co_return result;
}

runtime::Task<ClientResult<std::optional<std::string>>> ResponseStream::next_line() {
  while (true) {
    const auto end = lines_.find('\n', scanned_);
    if (end != std::string::npos) {
      std::optional<std::string> line(lines_.substr(0, end));
      lines_.erase(0, end + 1);
      scanned_ = 0;
      co_return line;
    }
    scanned_ = lines_.size();
    if (ended_) break;
    const auto piece = co_await connection_->reader.read_body();
    if (!piece) co_return std::unexpected(to_error(piece.error()));
    ended_ = piece->empty();
    lines_.append(*piece);
  }
  std::optional<std::string> last;
  if (!lines_.empty()) last = std::exchange(lines_, {});
  scanned_ = 0;
  co_return last;
}

runtime::Task<ClientResult<std::string>> ResponseStream::rest(std::size_t max_bytes) {
  std::string body = std::exchange(lines_, {});
  while (true) {
    const auto piece = co_await connection_->reader.read_body();
    if (!piece) co_return std::unexpected(to_error(piece.error()));
    if (piece->empty()) co_return body;
    if (body.size() + piece->size() > max_bytes)
      co_return base::fail(ClientErrorKind::too_large, "the response's body");
    body.append(*piece);
  }
}

Client::Client(runtime::Reactor& reactor, base::Address address, ClientOptions options)
    : reactor_(reactor), address_(std::move(address)), options_(std::move(options)) {
  if (!options_.host.empty()) return;
  const bool is_unix = address_.family() == base::Address::Family::unix_path;
  options_.host = is_unix ? "localhost" : address_.to_string();
}

Client::~Client() = default;

runtime::Task<ClientResult<Response>> Client::send(Request request, base::Duration limit) {
  auto result = co_await runtime::within(reactor_, limit, fetch(std::move(request)));
  if (!result)
    co_return base::fail(ClientErrorKind::timeout, "no whole response from " + address_.to_string());
  co_return std::move(*result);
}

runtime::Task<ClientResult<std::unique_ptr<ResponseStream>>> Client::open(Request request,
                                                                          base::Duration limit) {
  auto result = co_await runtime::within(reactor_, limit, exchange(std::move(request)));
  if (!result) co_return base::fail(ClientErrorKind::timeout, "no response from " + address_.to_string());
  if (!*result) co_return std::unexpected(std::move(result->error()));
  co_return std::unique_ptr<ResponseStream>(new ResponseStream(std::move(**result)));
}

runtime::Task<ClientResult<Response>> Client::fetch(Request request) {
  auto connection = co_await exchange(std::move(request));
  if (!connection) co_return std::unexpected(std::move(connection.error()));
  auto& reader = (*connection)->reader;
  Response response{reader.head().status, reader.head().headers, {}};
  while (true) {
    const auto piece = co_await reader.read_body();
    if (!piece) co_return std::unexpected(to_error(piece.error()));
    if (piece->empty()) break;
    if (response.body.size() + piece->size() > options_.max_body_bytes) {
      co_return base::fail(ClientErrorKind::too_large, "the response's body");
    }
    response.body.append(*piece);
  }
  if (reader.is_reusable() && (*connection)->writer.is_done() && idle_.size() < options_.max_idle) {
    idle_.push_back(std::move(*connection));
  }
  co_return response;
}

/// A connection on which the request was sent and the response's head has been read.
runtime::Task<ClientResult<Client::Connection>> Client::exchange(Request request) {
  if (!is_target(request.target))
    co_return base::fail(ClientErrorKind::bad_request, "target " + request.target);
  const auto head = to_head(request, options_.host);
  bool reused = true;
  while (true) {
    auto connection = reused ? take_idle() : nullptr;
    reused = connection != nullptr;
    if (!reused) {
      auto connected = co_await connect();
      if (!connected) co_return connected;
      connection = std::move(*connected);
    }
    auto error = co_await connection->round(&request, &head);
    if (!error) co_return connection;
    const bool may_repeat = reused && error->kind == ClientErrorKind::closed &&
                            !connection->reader.has_begun() && message::is_idempotent(request.method);
    if (!may_repeat) co_return std::unexpected(std::move(*error));
    reused = false;
  }
}

runtime::Task<ClientResult<Client::Connection>> Client::connect() {
  if (auto dialled = options_.dial ? options_.dial() : nullptr)
    co_return std::make_unique<ClientConnection>(std::move(dialled));
  auto stream = co_await runtime::connect(reactor_, address_, options_.connect_limit);
  if (!stream) {
    co_return base::fail(ClientErrorKind::connect_failed,
                         fmt::format("{}: {}", address_.to_string(), stream.error().message()));
  }
  co_return std::make_unique<ClientConnection>(std::move(*stream));
}

/// A kept connection that is still open, null if there is none.
Client::Connection Client::take_idle() {
  while (!idle_.empty()) {
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    if (connection->reader.is_quiet()) return connection;
  }
  return nullptr;
}

}  // namespace weft::http
