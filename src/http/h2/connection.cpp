#include "http/h2/connection.h"

#include "http/h2/session.h"

namespace weft::http::h2 {

std::string_view words(H2ErrorKind kind) {
  switch (kind) {
    case H2ErrorKind::closed: return "connection closed";
    case H2ErrorKind::refused: return "stream refused";
    case H2ErrorKind::reset: return "stream reset";
    case H2ErrorKind::timeout: return "peer is silent";
    case H2ErrorKind::protocol: return "protocol error";
  }
  return "";
}

bool had_no_effect(H2ErrorKind kind) {
  switch (kind) {
    case H2ErrorKind::refused: return true;
    case H2ErrorKind::closed:
    case H2ErrorKind::reset:
    case H2ErrorKind::timeout:
    case H2ErrorKind::protocol: return false;
  }
  return false;
}

Stream::Stream(std::shared_ptr<StreamState> state) : state_(std::move(state)) {}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&& other) noexcept {
  if (this != &other) {
    release();
    state_ = std::move(other.state_);
  }
  return *this;
}
Stream::~Stream() { release(); }

void Stream::release() {
  if (state_ && state_->session) state_->session->released(*state_);
}

const message::RequestHead& Stream::request() const { return state_->request; }
const message::Headers& Stream::trailers() const { return state_->trailers; }
bool Stream::is_open() const { return !state_->closed; }

runtime::Task<H2Result<message::ResponseHead>> Stream::response() {
  auto state = state_;
  while (!state->head_complete) {
    if (state->closed) co_return std::unexpected(state->error);
    co_await runtime::Wait(state->readable);
  }
  co_return state->response;
}

runtime::Task<H2Result<std::size_t>> Stream::read(std::string& into) {
  auto state = state_;
  while (state->incoming.empty()) {
    if (state->remote_ended) co_return 0;
    if (state->closed) co_return std::unexpected(state->error);
    co_await runtime::Wait(state->readable);
  }
  std::size_t size = state->incoming.size();
  if (into.empty()) {
    into.swap(state->incoming);
  } else {
    into.append(state->incoming);
  }
  empty(state->incoming);
  if (state->session) state->session->consumed(*state, size);
  co_return size;
}

void Stream::respond(const message::ResponseHead& head, bool end_stream) {
  if (state_->session) state_->session->respond(*state_, head, end_stream);
}

runtime::Task<H2Result<void>> Stream::room() {
  auto state = state_;
  while (!state->closed && !state->session->has_room(*state)) co_await runtime::Wait(state->writable);
  if (state->closed) co_return std::unexpected(state->error);
  co_return H2Result<void>{};
}

runtime::Task<H2Result<void>> Stream::write(std::string bytes) {
  auto state = state_;
  if (state->closed) co_return std::unexpected(state->error);
  state->session->queued(bytes.size());
  if (state->outgoing.empty()) {
    state->outgoing = std::move(bytes);
  } else {
    state->outgoing.append(bytes);
    bytes = {};
  }
  state->session->resume(*state);
  while (state->unsent() >= state->send_buffer) {
    co_await runtime::Wait(state->writable);
    if (state->closed) co_return std::unexpected(state->error);
  }
  co_return H2Result<void>{};
}

void Stream::finish(const message::Headers& trailers) {
  if (!state_->session || state_->finished) return;
  state_->finished = true;
  state_->own_trailers = trailers;
  state_->session->resume(*state_);
}

Connection::Connection(std::shared_ptr<Session> session) : session_(std::move(session)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&& other) noexcept {
  if (this != &other) {
    if (session_) session_->abandon();
    session_ = std::move(other.session_);
  }
  return *this;
}
Connection::~Connection() {
  if (session_) session_->abandon();
}

Connection Connection::client(runtime::Reactor& reactor, std::unique_ptr<runtime::Stream> transport,
                              Limits limits) {
  return Connection(std::make_shared<Session>(reactor, std::move(transport), Session::Side::client, limits));
}

Connection Connection::server(runtime::Reactor& reactor, std::unique_ptr<runtime::Stream> transport,
                              Limits limits) {
  return Connection(std::make_shared<Session>(reactor, std::move(transport), Session::Side::server, limits));
}

H2Result<Stream> Connection::open(const message::RequestHead& head, bool end_stream) {
  auto state = session_->open(head, end_stream);
  if (!state) return std::unexpected(state.error());
  return Stream(std::move(*state));
}

runtime::Task<std::optional<Stream>> Connection::accept() {
  auto session = session_;
  for (;;) {
    auto& accepted = session->accepted();
    while (!accepted.empty()) {
      auto state = std::move(accepted.front());
      accepted.pop_front();
      if (!state->closed) co_return Stream(std::move(state));
    }
    if (session->is_dead()) co_return std::nullopt;
    co_await runtime::Wait(session->acceptable());
  }
}

void Connection::shut_down() { session_->shut_down(); }

runtime::Task<void> Connection::closed() {
  auto session = session_;
  co_await session->ended().wait();
}

bool Connection::is_open() const { return session_->is_open(); }
H2Error Connection::error() const { return session_->error(); }

}  // namespace weft::http::h2
