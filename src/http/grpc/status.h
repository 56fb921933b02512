// The status of a gRPC call, and how it and the call's time limit are written in fields
// (github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "http/read_error.h"
#include "message/headers.h"

namespace weft::http::grpc {

/// The numbers are gRPC's own.
enum class Code : std::uint8_t {
  ok = 0,
  cancelled = 1,
  unknown = 2,
  invalid_argument = 3,
  deadline_exceeded = 4,
  not_found = 5,
  already_exists = 6,
  permission_denied = 7,
  resource_exhausted = 8,
  failed_precondition = 9,
  aborted = 10,
  out_of_range = 11,
  unimplemented = 12,
  internal = 13,
  unavailable = 14,
  data_loss = 15,
  unauthenticated = 16,
};

/// "PERMISSION_DENIED"
std::string_view to_string(Code code);

struct Status {
  Code code = Code::ok;
  std::string message;

  bool is_ok() const { return code == Code::ok; }
  /// "PERMISSION_DENIED: not yours"
  std::string to_string() const;
  friend bool operator==(const Status&, const Status&) = default;
};

/// The error of a call is its Status, which is never `ok`.
template <class T>
using Result = std::expected<T, Status>;

inline std::unexpected<Status> fail(Code code, std::string message) {
  return std::unexpected(Status{code, std::move(message)});
}

/// Puts grpc-status and grpc-message (percent-encoded) into trailers.
void write_status(message::Headers& trailers, const Status& status);
/// Reads them; nothing if there is no valid grpc-status.
std::optional<Status> read_status(const message::Headers& trailers);

/// The number alone, of one of these codes; nothing if there is no valid grpc-status.
std::optional<Code> read_code(const message::Headers& trailers);
/// Whether a message of that Content-Type is a call of gRPC, or its answer; gRPC-Web is neither.
bool is_grpc(std::string_view content_type);
/// Whether a call that ended so failed by the service's fault, or for want of one.
bool is_of_service(Code code);

/// What an HTTP status without a gRPC status means (doc/http-grpc-status-mapping.md).
Status status_of_http(int http_status);
/// What an end of the stream without a status means.
Status status_of(const ReadError& error);
Status status_of(runtime::IoError error);

/// Percent-encoding of grpc-message: space to ~ but % stay as they are. Decoding leaves what is malformed as
/// it is.
std::string percent_encode(std::string_view text);
std::string percent_decode(std::string_view text);

/// grpc-timeout: at most 8 digits and a unit (H M S m u n). Nothing if malformed.
std::optional<base::Duration> parse_timeout(std::string_view text);
std::string format_timeout(base::Duration timeout);

}  // namespace weft::http::grpc
