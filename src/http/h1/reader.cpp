#include "http/h1/reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/combine.h"

namespace weft::http::h1 {
namespace {

std::unexpected<ReadError> refused(Refusal refusal) {
  return std::unexpected(ReadError{ReadError::Kind::refused, refusal, {}});
}

std::unexpected<ReadError> ended(ReadError::Kind kind) { return std::unexpected(ReadError{kind, {}, {}}); }

}  // namespace

ReadResult<bool> Reader::try_fill() {
  if (!stream_->may_read()) {
    buffer_.release_if_empty();
    return false;
  }
  const auto room = buffer_.room();
  if (room.empty()) return std::unexpected(ReadError{ReadError::Kind::io, {}, {ENOBUFS}});
  const auto size = stream_->try_read(room);
  if (!size) {
    buffer_.release_if_empty();
    if (size.error().would_block()) return false;
    return std::unexpected(ReadError{ReadError::Kind::io, {}, size.error()});
  }
  if (*size == 0) return ended(begun_ ? ReadError::Kind::truncated : ReadError::Kind::closed);
  buffer_.commit(*size);
  begun_ = true;
  return true;
}

runtime::Task<runtime::IoResult<std::size_t>> Reader::read_ahead() {
  while (true) {
    const auto room = buffer_.room();
    if (room.empty()) co_return runtime::io_error(ENOBUFS);
    const auto size = stream_->try_read(room);
    if (size) buffer_.commit(*size);
    if (size || !size.error().would_block()) co_return size;
    buffer_.release_if_empty();
    co_await runtime::Wait(stream_->readable());
  }
}

bool Reader::is_quiet() {
  if (!buffer_.empty()) return false;
  buffer_.release_if_empty();  // a connection at rest holds no memory
  if (!stream_->may_read()) return true;
  char byte = 0;
  const auto size = stream_->try_read({&byte, 1});
  return !size && size.error().would_block();
}

void Reader::begin_body(const Framing& framing) {
  if (framing_.kind == Framing::Kind::chunked) chunks_.reset();
  framing_ = framing;
  remaining_ = framing.length;
  body_done_ = framing.is_empty();
}

std::optional<ReadResult<std::string_view>> Reader::try_body() {
  while (!body_done_) {
    if (!buffer_.empty()) {
      auto piece = take_body();
      if (!piece || !piece->empty()) return piece;
      if (body_done_) break;
    }
    const auto filled = try_fill();
    if (!filled) {
      if (filled.error().kind != ReadError::Kind::truncated || framing_.kind != Framing::Kind::until_close) {
        return std::unexpected(filled.error());
      }
      body_done_ = true;
    } else if (!*filled) {
      return std::nullopt;
    }
  }
  return std::string_view{};
}

runtime::Task<ReadResult<std::string_view>> Reader::read_body() {
  while (true) {
    if (auto piece = try_body()) co_return std::move(*piece);
    co_await runtime::Wait(stream_->readable());
  }
}

ReadResult<std::string_view> Reader::take_body() {
  if (framing_.kind == Framing::Kind::chunked) return take_chunks();
  auto piece = buffer_.data();
  if (framing_.kind == Framing::Kind::length) {
    piece = piece.substr(0, std::min<std::uint64_t>(piece.size(), remaining_));
    remaining_ -= piece.size();
    body_done_ = remaining_ == 0;
  }
  buffer_.consume(piece.size());
  return piece;
}

/// Joins the data of all chunks that have arrived by moving it together, over the lines between them: a peer
/// that sends many tiny chunks does not cause as many writes.
ReadResult<std::string_view> Reader::take_chunks() {
  char* joined = nullptr;
  std::size_t size = 0;
  while (!body_done_) {
    const auto step = chunks_.decode(buffer_.data());
    if (!step) return refused(step.error());
    if (!step->data.empty()) {
      char* const data = buffer_.begin() + (step->consumed - step->data.size());
      if (joined == nullptr) joined = data;
      if (joined + size != data) std::memmove(joined + size, data, step->data.size());
      size += step->data.size();
    }
    buffer_.consume(step->consumed);
    body_done_ = chunks_.is_done();
    if (step->consumed == 0) break;
  }
  return std::string_view(joined, size);
}

void Reader::attach_to(runtime::Stream& stream) {
  stream_ = &stream;
  buffer_.clear();
  begin_body({});
  begun_ = in_head_ = false;
}

template <class Parse>
std::optional<ReadResult<void>> Reader::try_parse(Parse parse) {
  while (true) {
    if (begun_) {
      const auto size = parse(buffer_.data());
      if (!size || *size) in_head_ = false;
      if (!size) return refused(size.error());
      if (*size) {
        buffer_.consume(**size);
        return ReadResult<void>{};
      }
    }
    const auto filled = try_fill();
    if (!filled) {
      in_head_ = false;
      return std::unexpected(filled.error());
    }
    if (!*filled) return std::nullopt;
  }
}

std::optional<ReadResult<void>> RequestReader::try_head() {
  if (!std::exchange(in_head_, true)) {
    parser_.reset();
    head_.clear();
    begun_ = !buffer_.empty();
  }
  auto read = try_parse([this](std::string_view bytes) { return parser_.parse(bytes, head_); });
  if (read && *read) begin_body(parser_.framing());
  return read;
}

runtime::Task<ReadResult<void>> RequestReader::read_head() {
  while (true) {
    if (auto read = try_head()) co_return *read;
    co_await runtime::Wait(stream_->readable());
  }
}

std::optional<ReadResult<void>> ResponseReader::try_head(message::Method method) {
  if (!std::exchange(in_head_, true)) {
    parser_.reset();
    head_.clear();
    begun_ = !buffer_.empty();
  }
  auto read = try_parse([&](std::string_view bytes) { return parser_.parse(bytes, head_, method); });
  if (read && *read) {
    begin_body(parser_.framing());
    keeps_alive_ = keeps_alive(head_.version, head_.headers);
  }
  return read;
}

runtime::Task<ReadResult<void>> ResponseReader::read_head(message::Method method) {
  while (true) {
    if (auto read = try_head(method)) co_return *read;
    co_await runtime::Wait(stream_->readable());
  }
}

bool ResponseReader::is_reusable() const {
  return body_done() && keeps_alive_ && !head_.is_interim() && head_.status != 101 &&
         framing().kind != Framing::Kind::until_close && buffered().empty();
}

}  // namespace weft::http::h1
