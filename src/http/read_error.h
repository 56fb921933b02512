// Why no message, or no more of it, could be read, whatever protocol carries it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "message/refusal.h"
#include "runtime/error.h"

namespace weft::http {

struct ReadError {
  enum class Kind : std::uint8_t {
    /// The peer closed where no message had begun.
    closed,
    /// The peer closed inside a message.
    truncated,
    /// The connection broke, or a Deadline failed it (ETIMEDOUT): see `io`.
    io,
    /// Not a message that is accepted: see `refusal`.
    refused,
    /// The peer surely did nothing with the request, so that it may be sent again (RFC 9113, 8.7:
    /// REFUSED_STREAM, or
    /// a GOAWAY that does not count it).
    unprocessed,
    /// The peer reset the stream, and only that.
    reset,
  };
  Kind kind = Kind::closed;
  message::Refusal refusal{};
  runtime::IoError io{};

  friend bool operator==(const ReadError&, const ReadError&) = default;
  /// In words, for logs.
  std::string to_string() const;
};

template <class T>
using ReadResult = std::expected<T, ReadError>;

}  // namespace weft::http
