#include "http/h2/stream.h"

#include <cerrno>
#include <utility>

#include "http/h2/session.h"
#include "runtime/combine.h"

namespace weft::http::h2 {
namespace {

runtime::IoError io_error_of(const StreamState& stream) {
  return stream.error->kind == ReadError::Kind::io ? stream.error->io : runtime::IoError{ECONNRESET};
}

}  // namespace

RequestStream::RequestStream(runtime::LocalPtr<Session> session, StreamState& state)
    : session_(std::move(session)), state_(&state) {}
RequestStream::RequestStream(RequestStream&&) noexcept = default;
RequestStream& RequestStream::operator=(RequestStream&& other) noexcept {
  if (this == &other) return *this;
  if (session_) session_->release(*state_);
  session_ = std::move(other.session_);
  state_ = other.state_;
  return *this;
}
RequestStream::~RequestStream() {
  if (session_) session_->release(*state_);
}

std::optional<ReadResult<std::string_view>> RequestStream::try_body() {
  const auto piece = state_->arrived.take();
  if (!piece.empty()) {
    session_->consumed(*state_, piece.size());
    return piece;
  }
  if (state_->remote_ended) return std::string_view{};
  if (state_->error) return std::unexpected(*state_->error);
  return std::nullopt;
}

runtime::Task<ReadResult<std::string_view>> RequestStream::read_body() {
  while (true) {
    if (auto piece = try_body()) co_return *piece;
    co_await runtime::Wait(state_->readable);
  }
}

bool RequestStream::has_more() const { return !state_->arrived.empty(); }
bool RequestStream::body_done() const { return state_->remote_ended && state_->arrived.empty(); }
const message::Headers& RequestStream::trailers() const { return state_->trailers; }
const message::Content& RequestStream::content() const { return state_->content; }
runtime::Readiness& RequestStream::readable() { return state_->readable; }
void RequestStream::limit_pauses(runtime::Deadline& deadline, base::Duration limit) {
  state_->write_deadline = &deadline;
  state_->pause_limit = limit;
}

void RequestStream::begin_write(std::string_view piece, bool last) {
  if (!state_->error && !state_->finished) session_->begin_write(*state_, piece, last, nullptr);
}

bool RequestStream::is_writing() const { return state_->is_writing && !state_->error; }
void RequestStream::drop_write() { session_->drop_write(*state_); }
runtime::Readiness& RequestStream::writable() { return state_->writable; }
std::size_t RequestStream::unsent() const { return state_->piece.size(); }
bool RequestStream::is_tunnel() const { return state_->is_tunnel; }
std::uint64_t RequestStream::bytes_sent() const { return state_->bytes_sent; }
bool RequestStream::is_done() const { return state_->finished; }
bool RequestStream::is_open() const { return !state_->error; }

runtime::Task<runtime::IoResult<void>> RequestStream::room() {
  while (!state_->error && !session_->has_room(*state_)) co_await runtime::Wait(state_->writable);
  if (state_->error) co_return std::unexpected(io_error_of(*state_));
  co_return runtime::IoResult<void>{};
}

void RequestStream::reset(ResetCode code, runtime::IoError error) {
  if (state_->error) return;
  state_->error = ReadError{ReadError::Kind::io, {}, error};
  session_->reset(*state_, code);
  session_->mark(*state_);
}

RequestStream::Sending::Sending(RequestStream& stream, std::string_view piece, bool last,
                                const message::Headers* trailers)
    : session_(stream.session_), state_(*stream.state_), piece_(piece), trailers_(trailers), last_(last) {}

RequestStream::Sending::~Sending() {
  state_.writable.cancel(*this);
  if (handle_ && state_.write_deadline != nullptr) state_.write_deadline->clear();
  session_->drop_write(state_);
}

bool RequestStream::Sending::await_ready() {
  if (state_.finished) {
    if (!piece_.empty()) refused_ = {EMSGSIZE};
  } else if (state_.error) {
    refused_ = io_error_of(state_);
  } else {
    session_->begin_write(state_, piece_, last_, trailers_);
  }
  return is_over();
}

void RequestStream::Sending::await_suspend(std::coroutine_handle<> handle) {
  handle_ = handle;
  if (state_.write_deadline != nullptr) state_.write_deadline->expires_without_progress(state_.pause_limit);
  state_.writable.wait(*this);
}

void RequestStream::Sending::wake() {
  if (is_over()) {
    handle_.resume();
  } else {
    state_.writable.wait(*this);
  }
}

bool RequestStream::Sending::is_over() const { return !state_.is_writing || state_.error; }

runtime::IoResult<void> RequestStream::Sending::await_resume() const {
  if (refused_.code != 0) return std::unexpected(refused_);
  const bool is_left = state_.is_writing || !state_.piece.empty() || (last_ && !state_.finished);
  if (is_left) return std::unexpected(io_error_of(state_));
  return {};
}

ServerStream::ServerStream(runtime::LocalPtr<Session> session, StreamState& state)
    : RequestStream(std::move(session), state) {}
message::RequestHead& ServerStream::head() { return state_->request; }
const message::RequestHead& ServerStream::head() const { return state_->request; }
std::optional<message::Refusal> ServerStream::refusal() const {
  if (state_->has_head || !state_->error || state_->error->kind != ReadError::Kind::refused)
    return std::nullopt;
  return state_->error->refusal;
}
void ServerStream::put_head(const message::ResponseHead& head, const message::Content& content,
                            const message::Patch& patch) {
  session_->put_head(*state_, head, content, patch);
}

ClientStream::ClientStream(runtime::LocalPtr<Session> session, StreamState& state)
    : RequestStream(std::move(session), state) {}
void ClientStream::put_head(const message::RequestHead& head, const message::Content& content,
                            const message::Patch& patch, std::string_view protocol) {
  session_->put_head(*state_, head, content, patch, protocol);
}

std::optional<ReadResult<void>> ClientStream::try_head() {
  if (state_->heads_taken < state_->heads_complete) {
    state_->take_response();
    return ReadResult<void>{};
  }
  if (state_->error) return std::unexpected(*state_->error);
  return std::nullopt;
}

runtime::Task<ReadResult<void>> ClientStream::read_head() {
  while (true) {
    if (auto head = try_head()) co_return *head;
    co_await runtime::Wait(state_->readable);
  }
}

message::ResponseHead& ClientStream::head() { return *state_->response; }
const message::ResponseHead& ClientStream::head() const { return *state_->response; }

}  // namespace weft::http::h2
