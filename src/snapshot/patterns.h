// What the domains of a virtual host and the match of a route may be: a pattern that no request can ever
// match is none.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "snapshot/snapshot.h"

namespace weft::snapshot {

/// Why a text is no pattern.
enum class PatternFault : std::uint8_t {
  // of a domain
  no_domain,
  host_too_long,
  url_as_host,
  host_not_ascii,
  bad_host_byte,
  bad_star,
  empty_label,
  long_label,
  outer_hyphen,
  bad_ipv4,
  bad_ipv6,
  bad_port,
  // of a path
  no_slash,
  query_in_path,
  fragment_in_path,
  path_not_ascii,
  bad_path_byte,
  bad_path_escape,
  // of a method and of fields
  bad_method,
  bad_header_name,
  bad_header_value,
  // of a query's parameters
  bad_parameter_name,
  bad_parameter_value,
};

struct PatternWords {
  std::string_view what;
  /// What to do, as an instruction.
  std::string_view mend;
};
PatternWords describe(PatternFault fault);

/// Which hosts a virtual host takes, as Envoy's VirtualHost.domains: a host; "*.example.com" or
/// "*-a.example.com"; "shop.*" or "shop-*"; each with ":80" for that port alone, and "shop:*" for any port;
/// "*". A star stands for one byte or more, at one end.
struct Domain {
  enum class Kind : std::uint8_t { exact, suffix, prefix, any };
  Kind kind = Kind::any;
  /// Without the star, in lower case, without a last dot, IPv6 as base::canonical_ipv6 has it: what the host
  /// is, ends with or begins with.
  std::string text;
  /// The text reaches into the port, so that it takes hosts that have one.
  bool has_port = false;

  /// As it is written.
  std::string to_string() const;
};
std::expected<Domain, PatternFault> parse_domain(std::string_view text);

/// What keeps `match` from ever taking a request; nothing if it may.
std::optional<PatternFault> fault_of(const Match& match);

}  // namespace weft::snapshot
