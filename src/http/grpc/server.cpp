#include "http/grpc/server.h"

#include "runtime/combine.h"
#include "runtime/scope.h"

namespace weft::http::grpc {
namespace {

/// For a peer to let a call's status through: what came before has left by then.
constexpr auto finish_limit = std::chrono::seconds(10);

message::ResponseHead response_head() {
  message::ResponseHead head;
  head.version = message::Version::http_2;
  head.headers = {{"content-type", "application/grpc+proto"}, {"grpc-accept-encoding", "identity"}};
  return head;
}

runtime::Task<Status> answer_unary(
    ServerCall& call, const std::function<runtime::Task<Result<std::string>>(std::string)>& function) {
  auto request = co_await call.receive();
  if (!request) co_return std::move(request.error());
  if (!*request) co_return Status{Code::invalid_argument, "the call has no message"};
  auto response = co_await function(std::move(**request));
  if (!response) co_return std::move(response.error());
  auto sent = co_await call.send(std::move(*response));
  co_return sent ? Status{} : std::move(sent.error());
}

}  // namespace

ServerCall::ServerCall(h2::ServerStream stream, std::size_t max_message, std::size_t& unfinished,
                       std::size_t max_unfinished)
    : stream_(std::move(stream)),
      unframer_(max_message),
      unfinished_(unfinished),
      max_unfinished_(max_unfinished) {}

void ServerCall::count_unfinished() {
  unfinished_ += unframer_.size() - own_;
  own_ = unframer_.size();
}

runtime::Task<Result<std::optional<std::string>>> ServerCall::receive() {
  for (;;) {
    auto message = unframer_.next();
    count_unfinished();
    if (!message || *message) co_return message;
    if (unfinished_ > max_unfinished_) {
      co_return fail(Code::resource_exhausted,
                     "more than " + std::to_string(max_unfinished_) + " bytes of messages are unfinished");
    }
    const auto piece = co_await stream_.read_body();
    if (!piece) co_return std::unexpected(status_of(piece.error()));
    unframer_.buffer().append(*piece);
    if (!piece->empty()) continue;
    if (!unframer_.is_empty())
      co_return fail(Code::invalid_argument, "the call was half-closed within a message");
    co_return std::nullopt;
  }
}

void ServerCall::start() {
  if (std::exchange(responded_, true)) return;
  stream_.put_head(response_head(), message::Content::unknown());
}

runtime::Task<Result<void>> ServerCall::room() {
  auto found = co_await stream_.room();
  if (!found) co_return std::unexpected(status_of(found.error()));
  co_return Result<void>{};
}

runtime::Task<Result<void>> ServerCall::send(std::string message) {
  start();
  const auto framed = frame(message);
  const auto written = co_await stream_.write(framed);
  if (!written) co_return std::unexpected(status_of(written.error()));
  co_return Result<void>{};
}

runtime::Task<void> ServerCall::finish(Status status) {
  if (responded_) {
    message::Headers trailers;
    write_status(trailers, status);
    // If the call is over, nobody asks for its status.
    (void)co_await stream_.write({}, true, &trailers);
    co_return;
  }
  // Nothing was sent: head and trailers are one ("Trailers-Only").
  responded_ = true;
  auto head = response_head();
  write_status(head.headers, status);
  stream_.put_head(head, {});
}

Server::Server(runtime::Reactor& reactor, ServerOptions options) : reactor_(reactor), options_(options) {}

void Server::add(std::string path, Handler handler) {
  handlers_.insert_or_assign(std::move(path), std::move(handler));
}

runtime::Task<void> Server::serve(std::unique_ptr<runtime::Stream> transport) {
  auto connection = h2::Connection::server(reactor_, std::move(transport), options_.limits);
  runtime::Scope calls;
  while (auto stream = co_await connection.accept()) calls.spawn(handle(std::move(*stream)));
}

runtime::Task<void> Server::handle(h2::ServerStream stream) {
  const auto& head = stream.head();
  auto type = head.headers.find(message::FieldId::content_type).value_or("");
  if (head.method != message::Method::post || !type.starts_with("application/grpc")) {
    message::ResponseHead refused;
    refused.status = 415;
    stream.put_head(refused, {});
    co_return;
  }
  ServerCall call(std::move(stream), options_.max_message, unfinished_, options_.max_unfinished);
  auto timeout = call.request().headers.find("grpc-timeout");
  if (!timeout) {
    co_return co_await end(call, co_await run(call));
  }
  auto limit = parse_timeout(*timeout);
  if (!limit) {
    co_return co_await end(call, {Code::invalid_argument, "grpc-timeout is malformed"});
  }
  auto status = co_await runtime::within(
      reactor_, std::min<base::Duration>(*limit, std::chrono::hours(24 * 365)), run(call));
  co_await end(call, status.value_or(Status{Code::deadline_exceeded, "the time limit has passed"}));
}

runtime::Task<void> Server::end(ServerCall& call, Status status) {
  co_await runtime::within(reactor_, finish_limit, call.finish(std::move(status)));
}

runtime::Task<Status> Server::run(ServerCall& call) const {
  auto handler = handlers_.find(call.request().path());
  if (handler == handlers_.end()) {
    co_return Status{Code::unimplemented, "there is no method " + std::string(call.request().path())};
  }
  co_return co_await handler->second(call);
}

Handler unary(std::function<runtime::Task<Result<std::string>>(std::string request)> function) {
  return [function = std::move(function)](ServerCall& call) { return answer_unary(call, function); };
}

}  // namespace weft::http::grpc
