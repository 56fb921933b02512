#include "message/refusal.h"

namespace weft::message {
namespace {

struct Row {
  int status;
  std::string_view name;
  std::string_view words;
};

Row row(Refusal refusal) {
  switch (refusal) {
    case Refusal::bare_lf: return {400, "bare_lf", "a line ends with LF alone"};
    case Refusal::bare_cr: return {400, "bare_cr", "CR without LF"};
    case Refusal::control_byte: return {400, "control_byte", "a control byte in the head or chunk line"};
    case Refusal::speaks_tls: return {400, "speaks_tls", "the client speaks TLS; this listener has none"};
    case Refusal::bad_request_line:
      return {400, "bad_request_line", "the request line is not method, target, version"};
    case Refusal::bad_method: return {400, "bad_method", "the method is not a token"};
    case Refusal::bad_target:
      return {400, "bad_target", "the target has none of the forms that fit the method"};
    case Refusal::bad_target_byte:
      return {400, "bad_target_byte", "a space or a byte above 0x7f in the target"};
    case Refusal::target_fragment: return {400, "target_fragment", "a fragment in the target"};
    case Refusal::target_userinfo: return {400, "target_userinfo", "userinfo in the target"};
    case Refusal::bad_target_escape:
      return {400, "bad_target_escape", "a malformed % escape or %00 in the path"};
    case Refusal::target_too_long: return {414, "target_too_long", "the target is too long"};
    case Refusal::bad_version: return {400, "bad_version", "the version is malformed"};
    case Refusal::unsupported_version: return {505, "unsupported_version", "not HTTP/1.0 or HTTP/1.1"};
    case Refusal::bad_status_line: return {400, "bad_status_line", "the status line is malformed"};
    case Refusal::bad_field_name: return {400, "bad_field_name", "a field name is empty or not a token"};
    case Refusal::bad_field_value:
      return {400, "bad_field_value", "a field value has a control byte, or space around it"};
    case Refusal::space_before_colon:
      return {400, "space_before_colon", "space between a field name and its colon"};
    case Refusal::missing_colon: return {400, "missing_colon", "a field line without a colon"};
    case Refusal::folded_field: return {400, "folded_field", "a field line begins with space (obs-fold)"};
    case Refusal::too_many_fields: return {431, "too_many_fields", "too many fields"};
    case Refusal::head_too_large: return {431, "head_too_large", "the head is too large"};
    case Refusal::missing_host: return {400, "missing_host", "Host is missing"};
    case Refusal::repeated_host: return {400, "repeated_host", "Host is repeated"};
    case Refusal::bad_host: return {400, "bad_host", "Host is empty or not a host"};
    case Refusal::connection_names_framing:
      return {400, "connection_names_framing", "Connection names Host or a framing field"};
    case Refusal::tab_in_framing: return {400, "tab_in_framing", "a tab in Host or a framing field"};
    case Refusal::repeated_content_length:
      return {400, "repeated_content_length", "Content-Length is repeated"};
    case Refusal::bad_content_length:
      return {400, "bad_content_length", "Content-Length is not plain digits in range"};
    case Refusal::length_and_transfer_encoding:
      return {400, "length_and_transfer_encoding", "both Content-Length and Transfer-Encoding"};
    case Refusal::unsupported_transfer_encoding:
      return {501, "unsupported_transfer_encoding", "a Transfer-Encoding other than exactly chunked"};
    case Refusal::transfer_encoding_in_http_1_0:
      return {400, "transfer_encoding_in_http_1_0", "Transfer-Encoding in HTTP/1.0"};
    case Refusal::content_in_connect: return {400, "content_in_connect", "CONNECT with content"};
    case Refusal::bad_chunk_size: return {400, "bad_chunk_size", "a chunk size is not plain hexadecimal"};
    case Refusal::chunk_size_overflow: return {413, "chunk_size_overflow", "a chunk size is out of range"};
    case Refusal::bad_chunk_extension: return {400, "bad_chunk_extension", "a chunk extension is malformed"};
    case Refusal::chunk_extensions_too_large:
      return {413, "chunk_extensions_too_large", "too many bytes of chunk extensions"};
    case Refusal::chunk_longer_than_size:
      return {400, "chunk_longer_than_size", "no CRLF where a chunk's size says that it ends"};
    case Refusal::bad_trailer: return {400, "bad_trailer", "a field that no trailer may have"};
    case Refusal::trailer_too_large: return {431, "trailer_too_large", "the trailer is too large"};
    case Refusal::malformed_head:
      return {400, "malformed_head", "pseudo-fields or fields that HTTP/2 does not allow so"};
    case Refusal::length_mismatch:
      return {400, "length_mismatch", "the body is not as long as Content-Length says"};
    case Refusal::too_many_interims: return {400, "too_many_interims", "interim responses without end"};
  }
  return {500, "", ""};
}

}  // namespace

int status_of(Refusal refusal) { return row(refusal).status; }
std::string_view describe(Refusal refusal) { return row(refusal).words; }
std::string_view to_string(Refusal refusal) { return row(refusal).name; }

}  // namespace weft::message
