// The PROXY protocol, versions 1 and 2: who the client of a proxy is, said before the connection's first byte
// (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt, "the document").
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"

namespace weft::proxy::opening {

/// What a header of version 2 begins with.
inline constexpr std::string_view proxy_v2_signature("\r\n\r\n\0\r\nQUIT\n", 12);

/// The longest header that is taken. The document allows 64 KiB for what is appended; a client's certificate,
/// the largest known, has half of this.
inline constexpr std::size_t max_proxy_header_bytes = 4096;

struct ProxyHeader {
  /// The client's, and what it connected to. None if the proxy speaks for itself (LOCAL) or does not know.
  base::Address source{};
  base::Address destination{};
  /// Bytes of the header.
  std::size_t size = 0;

  friend bool operator==(const ProxyHeader&, const ProxyHeader&) = default;
};

enum class ProxyHeaderFault : std::uint8_t {
  absent,
  too_long,
  bad_line,
  bad_version,
  bad_command,
  bad_family,
  too_short,
  bad_extension,
  bad_checksum,
};
/// "no PROXY header" and the like.
std::string_view describe(ProxyHeaderFault fault);

/// The header that `bytes` begin with; nothing if more must arrive. What is appended to one of version 2 is
/// passed over, but for a checksum, which must be right.
std::expected<std::optional<ProxyHeader>, ProxyHeaderFault> parse_proxy_header(std::string_view bytes);

/// Headers for a connection of `source` to `destination`. Where they are not IP addresses of one family they
/// say that the client is not known (version 1) or that the proxy speaks for itself (version 2).
std::string proxy_header_v1(const base::Address& source, const base::Address& destination);
std::string proxy_header_v2(const base::Address& source, const base::Address& destination);

}  // namespace weft::proxy::opening
