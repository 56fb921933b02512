// Hosts as they stand in Host and in domains: what can be one, and the one spelling of an IPv6 address.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace weft::base {

/// Of one label, and of a whole name in text without the root's dot (RFC 1035, 2.3.4).
inline constexpr std::size_t max_label_bytes = 63;
inline constexpr std::size_t max_host_bytes = 253;

/// Whether it is of digits and dots, so that it can only be an IPv4 address. (WHATWG's URLs take any host
/// whose last label is a number for one; but "web.123" is the Service web of the namespace 123.)
bool is_numeric(std::string_view host);
/// In dotted decimal, without zeros in front, which others read as octal (RFC 3986, 3.2.2).
bool is_ipv4(std::string_view text);
/// Whether a text of the bytes that hosts have is one: an IPv4 address, or a name within the limits and
/// without an empty label. The root's dot may stand behind it. Hyphens may stand anywhere, as DNS lets them.
bool is_host_name(std::string_view host);
/// Whether it is an IPv6 address in brackets.
bool is_ipv6(std::string_view host);
/// "[::1]" for every spelling of it (RFC 5952); nothing if it is no IPv6 address in brackets.
std::optional<std::string> canonical_ipv6(std::string_view host);

}  // namespace weft::base
