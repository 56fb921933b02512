#include "http/h2/connection.h"

#include <utility>

#include "http/h2/session.h"
#include "runtime/combine.h"

namespace weft::http::h2 {

Connection::Connection(runtime::LocalPtr<Session> session) : session_(std::move(session)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&& other) noexcept {
  if (this == &other) return *this;
  if (session_) session_->abandon();
  session_ = std::move(other.session_);
  return *this;
}
Connection::~Connection() {
  if (session_) session_->abandon();
}

Connection Connection::client(runtime::Reactor& reactor, std::unique_ptr<runtime::Stream> transport,
                              Limits limits) {
  return Connection(
      runtime::LocalPtr(new Session(reactor, std::move(transport), Session::Side::client, limits)));
}

Connection Connection::server(runtime::Reactor& reactor, std::unique_ptr<runtime::Stream> transport,
                              Limits limits, std::string_view received) {
  const runtime::LocalPtr session(new Session(reactor, std::move(transport), Session::Side::server, limits));
  session->take(received);
  return Connection(session);
}

ReadResult<ClientStream> Connection::open() {
  auto stream = session_->open();
  if (!stream) return std::unexpected(stream.error());
  return ClientStream(session_, **stream);
}

runtime::Task<std::optional<ServerStream>> Connection::accept() {
  const auto session = session_;
  while (true) {
    if (auto* stream = session->accept(false)) co_return ServerStream(session, *stream);
    if (session->is_dead()) co_return std::nullopt;
    co_await runtime::Wait(session->changed());
  }
}

std::optional<ServerStream> Connection::try_accept() {
  auto* stream = session_->accept(true);
  if (stream == nullptr) return std::nullopt;
  return ServerStream(session_, *stream);
}

runtime::Readiness& Connection::changed() { return session_->changed(); }
void Connection::poll() { session_->poll(); }
bool Connection::has_ended() const { return session_->is_dead(); }
bool Connection::is_idle() const { return session_->is_idle(); }
bool Connection::is_settled() const { return session_->is_settled(); }
bool Connection::may_extend_connect() const { return session_->may_extend_connect(); }

void Connection::shut_down() { session_->shut_down(); }

std::uint32_t Connection::max_streams() const { return session_->max_streams(); }
bool Connection::is_open() const { return session_->is_open(); }
const ReadError& Connection::error() const { return session_->error(); }

}  // namespace weft::http::h2
