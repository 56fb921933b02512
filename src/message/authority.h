// Authorities (host and port) and URLs' parts: strict at the border, normalised for comparing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::message {

struct Authority {
  /// A name, an IPv4 address, or an IPv6 address in its brackets, as sent.
  std::string_view host;
  std::optional<std::uint16_t> port;
};

/// Splits host[:port]; an empty port is none, and zeros may lead (RFC 3986, 3.2.3). Nothing if it is not one:
/// userinfo, an empty host, a port above 65535, bytes other than letters, digits and "-._~" in a name (RFC
/// 3986 allows more there; no host name has them), what no host can be (base/host.h), a malformed [IPv6].
std::optional<Authority> split_authority(std::string_view text);

/// Decodes %XX; nothing if an escape is malformed. "+" stays "+".
std::optional<std::string> percent_decode(std::string_view text);
/// Encodes all but unreserved characters and those in `keep`.
std::string percent_encode(std::string_view text, std::string_view keep = {});

/// The parameters of a query in order, decoded, "+" as space; what cannot be decoded stays as it is.
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);
/// The segments of an absolute path between its slashes, decoded: "/a//b%2Fc" gives "a", "", "b/c"; "/" gives
/// none. Nothing if an escape is malformed.
std::optional<std::vector<std::string>> path_segments(std::string_view path);

}  // namespace weft::message
