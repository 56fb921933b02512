#include "http/grpc/client.h"

#include "runtime/combine.h"

namespace weft::http::grpc {
namespace {

constexpr std::string_view too_late = "the time limit has passed";

}  // namespace

ClientCall::ClientCall(runtime::Reactor& reactor, h2::ClientStream stream, const CallOptions& options)
    : reactor_(&reactor), stream_(std::move(stream)), unframer_(options.max_message) {
  if (options.timeout > base::Duration::zero()) deadline_ = reactor.clock().now() + options.timeout;
}

Result<ClientCall> ClientCall::open(runtime::Reactor& reactor, h2::Connection& connection, std::string path,
                                    CallOptions options) {
  message::RequestHead head;
  head.method = message::Method::post;
  head.target = std::move(path);
  head.version = message::Version::http_2;
  head.headers = {{"host", options.authority},
                  {"te", "trailers"},
                  {"content-type", "application/grpc+proto"},
                  {"grpc-accept-encoding", "identity"},
                  {"user-agent", "weft"}};
  if (options.timeout > base::Duration::zero())
    head.headers.add("grpc-timeout", format_timeout(options.timeout));
  for (auto field : options.metadata) head.headers.add(field.name, field.value);
  auto stream = connection.open();
  if (!stream) return std::unexpected(status_of(stream.error()));
  stream->put_head(head, message::Content::unknown());
  return ClientCall(reactor, std::move(*stream), options);
}

runtime::Task<Result<void>> ClientCall::send(std::string message, bool last) {
  const auto framed = frame(message);
  const auto written = co_await stream_.write(framed, last);
  if (!written) co_return std::unexpected(status_of(written.error()));
  co_return Result<void>{};
}

runtime::Task<void> ClientCall::half_close() {
  // If the call is over, receive() tells how it ended.
  (void)co_await stream_.write({}, true);
}

base::Duration ClientCall::left() const { return *deadline_ - reactor_->clock().now(); }

runtime::Task<Result<void>> ClientCall::started() {
  if (has_head_) co_return Result<void>{};
  if (!deadline_) co_return co_await read_head();
  auto head = co_await runtime::within(*reactor_, left(), read_head());
  if (!head) co_return fail(Code::deadline_exceeded, std::string(too_late));
  co_return std::move(*head);
}

runtime::Task<Result<std::optional<std::string>>> ClientCall::receive() {
  if (!deadline_) co_return co_await receive_unlimited();
  auto received = co_await runtime::within(*reactor_, left(), receive_unlimited());
  if (!received) co_return fail(Code::deadline_exceeded, std::string(too_late));
  co_return std::move(*received);
}

runtime::Task<Result<void>> ClientCall::read_head() {
  do {
    if (auto read = co_await stream_.read_head(); !read) co_return std::unexpected(status_of(read.error()));
  } while (stream_.head().is_interim());
  const auto& head = stream_.head();
  has_head_ = true;
  const auto type = head.headers.find(message::FieldId::content_type).value_or("");
  if (head.status != 200 || !type.starts_with("application/grpc")) {
    // A status in the fields says more than what the HTTP status is mapped to.
    if (auto status = read_status(head.headers); status && !status->is_ok())
      co_return std::unexpected(std::move(*status));
    if (head.status != 200) co_return std::unexpected(status_of_http(head.status));
    co_return fail(Code::unknown, "the response is no gRPC, its content-type is " + std::string(type));
  }
  co_return Result<void>{};
}

runtime::Task<Result<std::optional<std::string>>> ClientCall::receive_unlimited() {
  for (;;) {
    auto message = unframer_.next();
    if (!message || *message) co_return message;
    if (!has_head_) {
      if (auto head = co_await read_head(); !head) co_return std::unexpected(std::move(head.error()));
    }
    const auto piece = co_await stream_.read_body();
    if (!piece) co_return std::unexpected(status_of(piece.error()));
    if (piece->empty()) co_return end();
    unframer_.buffer().append(*piece);
  }
}

Result<std::optional<std::string>> ClientCall::end() const {
  auto status = read_status(stream_.trailers());
  if (!status) status = read_status(stream_.head().headers);
  if (!status) return fail(Code::unknown, "the call ended without a status");
  if (!status->is_ok()) return std::unexpected(std::move(*status));
  if (!unframer_.is_empty()) return fail(Code::internal, "the call ended within a message");
  return std::nullopt;
}

runtime::Task<Result<std::string>> call(runtime::Reactor& reactor, h2::Connection& connection,
                                        std::string path, std::string request, CallOptions options) {
  auto call = ClientCall::open(reactor, connection, std::move(path), std::move(options));
  if (!call) co_return std::unexpected(call.error());
  // How the call ended is told by receive(), also if sending failed.
  (void)co_await call->send(std::move(request), true);
  auto response = co_await call->receive();
  if (!response) co_return std::unexpected(std::move(response.error()));
  if (!*response) co_return fail(Code::internal, "a unary call ended without a message");
  auto end = co_await call->receive();
  if (!end) co_return std::unexpected(std::move(end.error()));
  if (*end) co_return fail(Code::internal, "a unary call answered with several messages");
  co_return std::move(**response);
}

}  // namespace weft::http::grpc
