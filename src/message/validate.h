// What every head must be, whatever protocol brought it: what one protocol lets in another one may have to
// write, and whoever reads that must see the same message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "message/head.h"
#include "message/refusal.h"

namespace weft::message {

/// Longest method: the longest registered one (UPDATEREDIRECTREF) has 17.
inline constexpr std::size_t max_method_bytes = 32;
/// The request target; browsers and servers agree on about 8,000, signed URLs need more.
inline constexpr std::size_t max_target_bytes = 16 * 1024;
/// Fields of a head, and fields of a trailer. Apache and Envoy take 100.
inline constexpr std::size_t max_fields = 128;
/// Content-Length and chunk sizes stay below what a signed offset can hold.
inline constexpr std::uint64_t max_body_length = INT64_MAX;
/// Interim responses (1xx) to one request. Servers send one or two.
inline constexpr int max_interim_responses = 32;

/// Host, and the fields that say where a message ends: they must mean one thing to every reader.
inline bool decides_framing(FieldId id) {
  return id == FieldId::host || id == FieldId::content_length || id == FieldId::transfer_encoding;
}

/// `bad_method`: no token, or longer than max_method_bytes.
std::expected<void, Refusal> check_method(const RequestHead& head);
/// Of a target in any form: visible ASCII but "#". More than RFC 3986 allows: clients send [ ] { } | and
/// others as they are. `target_fragment`, `bad_target_byte`.
std::expected<void, Refusal> check_target_bytes(std::string_view target);
/// Of a target whose bytes are good: that it is in the form of RequestHead::target, and that the escapes of
/// its path mean one thing to whoever decodes them (RFC 3986, 2.1; NUL: 7.3). `bad_target`,
/// `bad_target_escape`.
std::expected<void, Refusal> check_target(const RequestHead& head);
/// Of an authority that a target carries. `target_userinfo`; `bad_target`: no host, or no port though it
/// needs one.
std::expected<void, Refusal> check_authority(std::string_view authority, bool needs_port);
/// RFC 9110, 7.2: exactly one valid Host, which only HTTP/1.0 may leave out. `missing_host`, `repeated_host`,
/// `bad_host`.
std::expected<void, Refusal> check_host(const Headers& headers, Version version);
/// `connection_names_framing`: the next hop would be told to drop what this one went by. `too_many_fields`:
/// it names more than a head may have, each of which is looked for among them.
std::expected<void, Refusal> check_connection(const Headers& headers);
/// What Content-Length says, which must be there once and be plain digits in range; nothing if it is not
/// there. `repeated_content_length`, `bad_content_length`.
std::expected<std::optional<std::uint64_t>, Refusal> content_length_of(const Headers& headers);
/// `bad_trailer`: framing and routing cannot come late (RFC 9110, 6.5.1), nor what only a head of ours says.
std::expected<void, Refusal> check_trailers(const Headers& trailers);

/// All of that of a whole head, for a protocol whose parser knows nothing of it; what its Content-Length
/// says. `target_too_long`, `too_many_fields` and `content_in_connect` too (RFC 9110, 9.3.6: what follows
/// CONNECT is the tunnel's), and a Transfer-Encoding is `unsupported_transfer_encoding`, for only HTTP/1.1
/// has any. Names and values need no look: Headers hold none that could break out of their field.
std::expected<std::optional<std::uint64_t>, Refusal> validate(const RequestHead& head);
/// The same of a response; `bad_status_line` if its status is none.
std::expected<std::optional<std::uint64_t>, Refusal> validate(const ResponseHead& head);

}  // namespace weft::message
