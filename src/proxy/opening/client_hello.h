// What the first message of a TLS client says in the clear: where it wants to go (RFC 8446, 4.1.2; RFC 6066,
// 3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::proxy::opening {

/// The longest ClientHello that is taken: as much as a record may hold (RFC 8446, 5.1). With keys of ML-KEM
/// they have less than 2 KiB.
inline constexpr std::size_t max_client_hello_bytes = 16 * 1024;
/// The same with the headers of the records that it comes in: an average record holds ten bytes at least.
inline constexpr std::size_t max_tls_opening_bytes = max_client_hello_bytes * 3 / 2;

/// What of a ClientHello decides the way. With ECH it is the outer one (RFC 9849).
struct ClientHello {
  /// As it was sent; empty if there is none.
  std::string server_name;
  /// ALPN, in the client's order (RFC 7301).
  std::vector<std::string> protocols;

  friend bool operator==(const ClientHello&, const ClientHello&) = default;
};

enum class HelloFault : std::uint8_t { not_tls, bad_record, not_a_hello, too_long, malformed, bad_name };
/// "the client speaks no TLS" and the like.
std::string_view describe(HelloFault fault);

/// The ClientHello that `bytes` begin with, in as many records as it comes; nothing if more must arrive.
std::expected<std::optional<ClientHello>, HelloFault> parse_client_hello(std::string_view bytes);

/// The longest record of a client's first message, with its header.
inline constexpr std::size_t max_first_record_bytes = max_client_hello_bytes + 5;
/// Whether the first record is there as a whole, or what begins is none.
bool has_first_record(std::string_view bytes);

/// A fatal alert of that description (RFC 8446, 6), as a record of its own.
std::string tls_alert(unsigned char description);
inline constexpr unsigned char alert_decode_error = 50;
inline constexpr unsigned char alert_unrecognized_name = 112;  // RFC 6066, 3

}  // namespace weft::proxy::opening
