#include "ends/backend.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "base/address.h"
#include "ends/frames.h"
#include "ends/message.h"
#include "runtime/combine.h"

namespace weft::bench {
namespace {

using runtime::Stream;
using runtime::Task;

constexpr std::string_view end_of_head = "\r\n\r\n";
/// What the bulk backend sends again and again; more than the second-level cache of a core holds.
constexpr std::size_t bulk_bytes = 4 << 20;

iovec part_of(std::string_view bytes) {
  return {const_cast<char*>(bytes.data()), bytes.size()};  // Write does not change what it points to
}

/// The number in "GET /1024/..."; a body of no bytes if there is none.
std::size_t asked_for(std::string_view request) {
  constexpr std::string_view start = "GET /";
  std::size_t size = 0;
  if (request.starts_with(start)) {
    std::from_chars(request.data() + start.size(), request.data() + request.size(), size);
  }
  return std::min(size, max_body_bytes);
}

Task<void> answer_http(std::unique_ptr<Stream> stream) {
  static const std::string body(max_body_bytes, 'x');
  std::array<char, 4096> request;
  std::size_t size = 0;
  std::size_t last_asked = 0;
  std::string head;
  while (size < request.size()) {
    const auto got = co_await runtime::read(*stream, std::span(request).subspan(size));
    if (!got || *got == 0) co_return;
    size += *got;
    const std::string_view text(request.data(), size);
    if (!text.ends_with(end_of_head)) continue;
    const auto asked = asked_for(text);
    if (head.empty() || asked != last_asked) {
      head = fmt::format(
          "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nserver: bench\r\ncontent-length: {}\r\n\r\n",
          asked);
      last_asked = asked;
    }
    size = 0;
    iovec parts[] = {part_of(head), part_of(std::string_view(body).substr(0, asked))};
    if (!co_await runtime::write(*stream, parts)) co_return;
  }
}

Task<void> echo(std::unique_ptr<Stream> stream) {
  std::array<char, 4096> buffer;
  while (true) {
    const auto got = co_await runtime::read(*stream, buffer);
    if (!got || *got == 0) co_return;
    auto part = part_of({buffer.data(), *got});
    if (!co_await runtime::write(*stream, {&part, 1})) co_return;
  }
}

/// A file in memory, so that sending copies nothing.
int bulk_file() {
  static const int file = [] {
    const int fd = ::memfd_create("bulk", MFD_CLOEXEC);
    const std::string bytes(bulk_bytes, 'x');
    return ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) ? fd : -1;
  }();
  return file;
}

Task<void> send_bulk(std::unique_ptr<Stream> stream) {
  off_t offset = 0;
  while (true) {
    const auto sent =
        ::sendfile(stream->fd(), bulk_file(), &offset, bulk_bytes - static_cast<std::size_t>(offset));
    if (sent < 0 && errno == EAGAIN) {
      co_await runtime::Wait(stream->writable());
    } else if (sent <= 0) {
      co_return;
    }
    if (offset == static_cast<off_t>(bulk_bytes)) offset = 0;
  }
}

std::size_t mute_requests = 0;

void answer(Frames& frames, std::uint32_t stream, bool is_first) {
  static constexpr Block::Field fields[] = {
      {"content-type", "text/plain"}, {"server", "bench"}, {"content-length", "1024"}};
  static const Block head("\x88", fields);
  static const std::string body(h2_body_bytes, 'x');
  frames.put(FrameType::headers, ends_headers, stream, head.bytes(is_first, frames.has_table()));
  frames.put(FrameType::data, ends_stream, stream, body);
}

void answer_call(Frames& frames, std::uint32_t stream, bool is_first) {
  static constexpr Block::Field fields[] = {{"content-type", "application/grpc"}};
  static constexpr Block::Field ok[] = {{"grpc-status", "0"}};
  static const Block head("\x88", fields, std::size(ok));
  static const Block trailers("", ok);
  frames.put(FrameType::headers, ends_headers, stream, head.bytes(is_first, frames.has_table()));
  frames.put(FrameType::data, 0, stream, message);
  frames.put(FrameType::headers, ends_headers | ends_stream, stream,
             trailers.bytes(is_first, frames.has_table()));
}

Task<void> answer_h2(std::unique_ptr<Stream> stream, Backend kind) {
  Frames frames(std::move(stream), Frames::Side::server);
  std::deque<std::uint32_t> asked;
  bool is_first = true;
  while (co_await frames.more()) {
    while (const auto frame = frames.next()) {
      if (frame->is_last()) asked.push_back(frame->stream);
    }
    if (kind == Backend::mute) {
      mute_requests += asked.size();
      asked.clear();
    }
    for (; !asked.empty() && frames.window() >= static_cast<std::int64_t>(h2_body_bytes); asked.pop_front()) {
      (kind == Backend::grpc ? answer_call : answer)(frames, asked.front(), std::exchange(is_first, false));
    }
    if (!co_await frames.send()) co_return;
  }
}

Task<void> accept_all(runtime::Reactor& reactor, runtime::Fd listening, Backend kind) {
  runtime::Acceptor acceptor(reactor, std::move(listening));
  runtime::Scope connections;
  while (auto stream = co_await acceptor.accept()) {
    switch (kind) {
      case Backend::http: connections.spawn(answer_http(std::move(*stream))); break;
      case Backend::echo: connections.spawn(echo(std::move(*stream))); break;
      case Backend::bulk: connections.spawn(send_bulk(std::move(*stream))); break;
      case Backend::h2:
      case Backend::grpc:
      case Backend::mute: connections.spawn(answer_h2(std::move(*stream), kind)); break;
    }
  }
}

}  // namespace

runtime::IoResult<std::uint16_t> serve(runtime::Reactor& reactor, runtime::Scope& scope, Backend kind) {
  auto listening = runtime::listen_on(base::Address::loopback(0));
  if (!listening) return std::unexpected(listening.error());
  const auto port = runtime::local_address(listening->get()).port();
  scope.spawn(accept_all(reactor, std::move(*listening), kind));
  return port;
}

std::size_t unanswered() { return mute_requests; }

}  // namespace weft::bench
