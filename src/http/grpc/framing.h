// gRPC's messages in the body of a request or response: a flag byte, four bytes of length, the message.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "http/grpc/status.h"

namespace weft::http::grpc {

/// The message with its prefix, not compressed.
std::string frame(std::string_view message);

/// Takes messages out of bytes that arrive in any pieces.
class Unframer {
 public:
  explicit Unframer(std::size_t max_message) : max_message_(max_message) {}

  /// Where bytes that arrive are appended.
  std::string& buffer() { return buffer_; }
  /// The next whole message; nothing if it is not there yet. Errors: `resource_exhausted` above the limit,
  /// `unimplemented` for a compressed one.
  Result<std::optional<std::string>> next();
  /// Whether next() would give a message or an error.
  bool has_next() const;
  /// Whether no part of a message is left.
  bool is_empty() const { return from_ == buffer_.size(); }
  /// Bytes that wait in it.
  std::size_t size() const { return buffer_.size() - from_; }

 private:
  static constexpr std::size_t prefix = 5;
  std::size_t length() const;

  std::size_t max_message_;
  std::string buffer_;
  std::size_t from_ = 0;
};

}  // namespace weft::http::grpc
