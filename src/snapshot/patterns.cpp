#include "snapshot/patterns.h"

#include <algorithm>
#include <charconv>

#include "base/host.h"
#include "message/syntax.h"

namespace weft::snapshot {
namespace {

using message::ascii_lower;

bool is_above_ascii(char c) { return static_cast<unsigned char>(c) > 0x7f; }
/// What a name in Host may have (message::split_authority).
bool is_host_byte(char c) {
  return message::is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
         std::string_view("-._~").find(c) != std::string_view::npos;
}

/// What a field's value may be once a parser has trimmed it.
bool is_trimmed_value(std::string_view text) {
  return message::trim(text) == text && message::is_field_value(text);
}

using Checked = std::expected<void, PatternFault>;

/// Takes ":80" off the end of `text` into `port`, in its shortest form.
Checked take_port(std::string_view& text, std::string& port) {
  const auto close = text.rfind(']');
  const auto colon = text.find(':', close == std::string_view::npos ? 0 : close);
  if (colon == std::string_view::npos) return {};
  const auto digits = text.substr(colon + 1);
  if (digits.find(':') != std::string_view::npos) return std::unexpected(PatternFault::bad_ipv6);
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size())
    return std::unexpected(PatternFault::bad_port);
  port = ":" + std::to_string(number);
  text = text.substr(0, colon);
  return {};
}

/// Whether an IPv4 address may end with `text`, of digits and dots: "0.1", ".168.0.1", not "1.999".
bool may_end_ipv4(std::string_view text) {
  // What stands before makes up the missing octets, and a part of the first that is there.
  for (const std::string_view before : {"1", "1.1", "1.1.1", "1.1.1.1", "1.", "1.1.", "1.1.1."}) {
    if (base::is_ipv4(std::string(before).append(text))) return true;
  }
  return false;
}

/// What is wrong with the labels of `name`, of which a star may have cut the first or the last.
Checked check_labels(std::string_view name, Domain::Kind kind) {
  for (std::size_t begin = 0, end = 0; begin <= name.size(); begin = end + 1) {
    end = std::min(name.find('.', begin), name.size());
    const auto label = name.substr(begin, end - begin);
    const bool is_cut_before = begin == 0 && kind == Domain::Kind::suffix;
    const bool is_cut_behind = end == name.size() && kind == Domain::Kind::prefix;
    if (label.empty() && !is_cut_before && !is_cut_behind) return std::unexpected(PatternFault::empty_label);
    if (label.size() > base::max_label_bytes) return std::unexpected(PatternFault::long_label);
    if ((label.starts_with('-') && !is_cut_before) || (label.ends_with('-') && !is_cut_behind))
      return std::unexpected(PatternFault::outer_hyphen);
  }
  return {};
}

/// `text` as it is compared, if it is a host or the part of one that `kind` leaves of it.
std::expected<std::string, PatternFault> canonical_name(std::string_view text, Domain::Kind kind) {
  if (text.starts_with('[') && kind == Domain::Kind::exact) {
    auto ipv6 = base::canonical_ipv6(text);
    if (!ipv6) return std::unexpected(PatternFault::bad_ipv6);
    return *std::move(ipv6);
  }
  if (!std::ranges::all_of(text, is_host_byte)) return std::unexpected(PatternFault::bad_host_byte);
  if (text.ends_with('.') && kind != Domain::Kind::prefix) text.remove_suffix(1);
  if (text.empty()) return std::unexpected(PatternFault::empty_label);
  if (text.size() + (kind == Domain::Kind::exact ? 0 : 1) > base::max_host_bytes)
    return std::unexpected(PatternFault::host_too_long);
  if (const auto checked = check_labels(text, kind); !checked) return std::unexpected(checked.error());
  if (kind != Domain::Kind::prefix && base::is_numeric(text) &&
      !(kind == Domain::Kind::exact ? base::is_ipv4(text) : may_end_ipv4(text))) {
    return std::unexpected(PatternFault::bad_ipv4);
  }
  std::string name(text);
  std::ranges::transform(name, name.begin(), ascii_lower);
  return name;
}

/// Splits the star off; the rest has none.
std::string_view without_star(std::string_view text, Domain::Kind& kind) {
  kind = text.starts_with('*') ? Domain::Kind::suffix
         : text.ends_with('*') ? Domain::Kind::prefix
                               : Domain::Kind::exact;
  if (kind == Domain::Kind::suffix) text.remove_prefix(1);
  if (kind == Domain::Kind::prefix) text.remove_suffix(1);
  return text;
}

}  // namespace

PatternWords describe(PatternFault fault) {
  switch (fault) {
    case PatternFault::no_domain: return {"a host must not be empty", "write \"*\" for all hosts"};
    case PatternFault::host_too_long: return {"no host is longer than 253 bytes", "shorten it"};
    case PatternFault::url_as_host:
      return {"this is no host but a URL or a part of one", "write the host alone, like shop.example"};
    case PatternFault::host_not_ascii:
      return {"a host is sent in ASCII", "write the name as DNS has it, xn--..."};
    case PatternFault::bad_host_byte:
      return {"a host has letters, digits, - . _ and ~ only", "write it like shop.example"};
    case PatternFault::bad_star:
      return {"a star stands at one end of a host", "write it like \"*.shop.example\" or \"shop.*\""};
    case PatternFault::empty_label:
      return {"a part between two dots of this host is empty", "write it like shop.example"};
    case PatternFault::long_label:
      return {"no part between two dots of a host is longer than 63 bytes", "shorten it"};
    case PatternFault::outer_hyphen:
      return {"a part between two dots of this host begins or ends with -", "write it like shop-1.example"};
    case PatternFault::bad_ipv4:
      return {"a host of digits and dots is an IPv4 address, and this is none", "write it like 127.0.0.1"};
    case PatternFault::bad_ipv6:
      return {"this is no IPv6 address as hosts have it", "write it in brackets, like \"[::1]\""};
    case PatternFault::bad_port: return {"what follows the host is no port", "remove it"};
    case PatternFault::no_slash: return {"a path begins with /", "put / in front"};
    case PatternFault::query_in_path:
      return {"paths are matched without the query", "remove what begins with ?"};
    case PatternFault::fragment_in_path: return {"a fragment is never sent", "remove what begins with #"};
    case PatternFault::path_not_ascii:
      return {"a path is sent in ASCII", "write it as it is sent, like /caf%C3%A9"};
    case PatternFault::bad_path_byte:
      return {"a path has no spaces and control bytes", "write it as it is sent, like /a%20b"};
    case PatternFault::bad_path_escape:
      return {"this path has an escape that is refused in requests", "write % and two digits, but not %00"};
    case PatternFault::bad_method: return {"this is no method", "write it like GET"};
    case PatternFault::bad_header_name:
      return {"a header's name has letters, digits and a few marks like - only", "write it like x-version"};
    case PatternFault::bad_header_value:
      return {"a header's value has no control bytes, and no space at its ends", "remove them"};
    case PatternFault::bad_parameter_name:
      return {"a parameter's name is compared as it is sent: in ASCII, without spaces, &, = and #",
              "write it as it is sent, like version or a%20b"};
    case PatternFault::bad_parameter_value:
      return {"a parameter's value is compared as it is sent: in ASCII, without spaces, & and #",
              "write it as it is sent, like 2 or a%20b"};
  }
  return {};
}

std::string Domain::to_string() const {
  switch (kind) {
    case Kind::exact: return text;
    case Kind::suffix: return "*" + text;
    case Kind::prefix: return text + "*";
    case Kind::any: return "*";
  }
  return {};
}

std::expected<Domain, PatternFault> parse_domain(std::string_view text) {
  Domain domain;
  if (text == "*") return domain;
  if (text.empty()) return std::unexpected(PatternFault::no_domain);
  if (text.find_first_of("/?#@\\") != std::string_view::npos)
    return std::unexpected(PatternFault::url_as_host);
  if (std::ranges::any_of(text, is_above_ascii)) return std::unexpected(PatternFault::host_not_ascii);
  auto rest = without_star(text, domain.kind);
  if (rest.find('*') != std::string_view::npos) return std::unexpected(PatternFault::bad_star);
  std::string port;
  auto kind = domain.kind;
  if (kind == Domain::Kind::prefix && rest.ends_with(':')) {
    port = ':';  // any port of one host
    rest.remove_suffix(1);
    kind = Domain::Kind::exact;
  } else {
    if (const auto taken = take_port(rest, port); !taken) return std::unexpected(taken.error());
    if (kind == Domain::Kind::prefix && !port.empty()) return std::unexpected(PatternFault::bad_port);
  }
  auto name = canonical_name(rest, kind);
  if (!name) return std::unexpected(name.error());
  domain.has_port = !port.empty();
  domain.text = *name + port;
  return domain;
}

namespace {

std::optional<PatternFault> path_fault(const Match& match) {
  const std::string_view path = match.path;
  if (!path.starts_with('/')) return PatternFault::no_slash;
  if (path.find('?') != std::string_view::npos) return PatternFault::query_in_path;
  if (path.find('#') != std::string_view::npos) return PatternFault::fragment_in_path;
  if (std::ranges::any_of(path, is_above_ascii)) return PatternFault::path_not_ascii;
  if (std::ranges::any_of(path, [](char c) { return c <= ' ' || c == 0x7f; }))
    return PatternFault::bad_path_byte;
  for (auto at = path.find('%'); at != std::string_view::npos; at = path.find('%', at + 1)) {
    const auto digits = path.substr(at + 1, 2);
    // A prefix may end within an escape.
    const bool is_whole = digits.size() == 2 || match.path_kind != Match::Path::prefix;
    if (!std::ranges::all_of(digits, message::is_hex_digit) || digits == "00" ||
        (is_whole && digits.size() < 2)) {
      return PatternFault::bad_path_escape;
    }
  }
  return std::nullopt;
}

/// What a part of a query may be that is sent: visible ASCII, without what ends it.
bool is_of_query(std::string_view text, std::string_view ends) {
  return std::ranges::none_of(text, is_above_ascii) &&
         std::ranges::none_of(text, [](char c) { return c <= ' ' || c == 0x7f; }) &&
         text.find_first_of(ends) == std::string_view::npos;
}

}  // namespace

std::optional<PatternFault> fault_of(const Match& match) {
  if (const auto fault = path_fault(match)) return fault;
  if (!match.method.empty() && !message::is_token(match.method)) return PatternFault::bad_method;
  for (const auto& [name, value] : match.headers) {
    if (!message::is_token(name)) return PatternFault::bad_header_name;
    if (value && !is_trimmed_value(*value)) return PatternFault::bad_header_value;
  }
  for (const auto& [name, value] : match.query) {
    if (name.empty() || !is_of_query(name, "&=#")) return PatternFault::bad_parameter_name;
    if (value && !is_of_query(*value, "&#")) return PatternFault::bad_parameter_value;
  }
  return std::nullopt;
}

}  // namespace weft::snapshot
