// Waiting until the first bytes of a connection tell something, without taking them.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "proxy/opening/client_hello.h"
#include "runtime/combine.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::proxy::opening {

/// What is looked for in a connection's first bytes.
template <class Found>
struct Look {
  /// What is made of them; nothing if more must arrive. `has_ended`: no more will.
  std::optional<Found> (*find)(std::string_view bytes, bool has_ended);
  /// So many are always enough.
  std::size_t most_bytes;
};

/// What has been found in what has come so far, and whether anything has. The error of the stream, if it has
/// one.
template <class Found>
struct Peeked {
  runtime::IoResult<std::optional<Found>> found;
  bool has_begun = false;
};

/// Not a coroutine, whose frame would have room for the bytes as long as it waits.
template <class Found>
Peeked<Found> peek(runtime::Stream& stream, const Look<Found>& look) {
  std::array<char, max_tls_opening_bytes> room;
  const auto size = stream.try_peek(std::span(room).first(look.most_bytes));
  if (!size && !size.error().would_block()) return {std::unexpected(size.error()), true};
  const std::string_view bytes(room.data(), size.value_or(0));
  const bool has_ended = size && (*size == 0 || stream.has_ended());
  if (bytes.empty() && !has_ended) return {std::optional<Found>(), false};
  return {look.find(bytes, has_ended), true};
}

enum class Patience : bool { from_first_byte, from_now };

/// What `look` finds in the stream's first bytes as soon as it finds anything; nothing if the stream
/// broke, which it does itself when `limit` has passed.
template <class Found>
runtime::Task<std::optional<Found>> first_bytes(runtime::Reactor& reactor, runtime::Stream& stream,
                                                Look<Found> look, base::Duration limit, Patience patience) {
  runtime::Deadline deadline(reactor, stream);
  if (patience == Patience::from_now) deadline.expires_after(limit);
  while (true) {
    auto [found, has_begun] = peek(stream, look);
    if (!found) co_return std::nullopt;
    if (*found) co_return *std::move(found);
    if (has_begun && !deadline.has_time()) deadline.expires_after(limit);
    co_await runtime::Wait(stream.readable());
  }
}

}  // namespace weft::proxy::opening
