// How long a message's body is, as far as its head says, whatever protocol carries it.
#pragma once

#include <cstdint>
#include <optional>

namespace weft::message {

struct Content {
  enum class Kind : std::uint8_t { none, length, unknown };
  Kind kind = Kind::none;
  /// Of a body by length.
  std::uint64_t length = 0;
  /// A Content-Length without a body (the answer to HEAD, a 304), to be passed on.
  std::optional<std::uint64_t> announced;

  friend bool operator==(const Content&, const Content&) = default;
  static Content of_length(std::uint64_t length) { return {Kind::length, length, {}}; }
  static Content unknown() { return {Kind::unknown, 0, {}}; }
  /// Surely no body follows.
  bool is_empty() const { return kind == Kind::none || (kind == Kind::length && length == 0); }
};

}  // namespace weft::message
