// Why a message is not one that weft accepts: a closed list, shared by requests and responses of every
// protocol.
#pragma once

#include <cstdint>
#include <string_view>

namespace weft::message {

enum class Refusal : std::uint8_t {
  // lines of HTTP/1.1
  bare_lf,
  bare_cr,
  control_byte,
  // request line and its parts
  speaks_tls,
  bad_request_line,
  bad_method,
  bad_target,
  bad_target_byte,
  target_fragment,
  target_userinfo,
  bad_target_escape,
  target_too_long,
  bad_version,
  unsupported_version,
  // status
  bad_status_line,
  // fields
  bad_field_name,
  bad_field_value,
  space_before_colon,
  missing_colon,
  folded_field,
  too_many_fields,
  head_too_large,
  // Host and Connection
  missing_host,
  repeated_host,
  bad_host,
  connection_names_framing,
  tab_in_framing,
  // framing
  repeated_content_length,
  bad_content_length,
  length_and_transfer_encoding,
  unsupported_transfer_encoding,
  transfer_encoding_in_http_1_0,
  content_in_connect,
  // chunked
  bad_chunk_size,
  chunk_size_overflow,
  bad_chunk_extension,
  chunk_extensions_too_large,
  chunk_longer_than_size,
  bad_trailer,
  trailer_too_large,
  // found in HTTP/2 alone
  malformed_head,
  length_mismatch,
  too_many_interims,
};

/// The status to answer a refused request with: 400, 413, 414, 431, 501 or 505. (A refused response is a
/// 502.)
int status_of(Refusal refusal);
/// The reason in words for logs, such as "Content-Length is repeated".
std::string_view describe(Refusal refusal);
/// Its name as in the enum, "repeated_content_length": for logs and metrics.
std::string_view to_string(Refusal refusal);

}  // namespace weft::message
