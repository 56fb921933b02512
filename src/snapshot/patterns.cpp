#include "snapshot/patterns.h"

#include <algorithm>
#include <charconv>

#include "base/address.h"

namespace weft::snapshot {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_hex(char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f'); }
bool is_above_ascii(char c) { return static_cast<unsigned char>(c) > 0x7f; }
/// What a name in Host may have (message::split_authority).
bool is_host_byte(char c) {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') ||
         std::string_view("-._~").find(c) != std::string_view::npos;
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

/// Whether `text` is a host, or the part of one that `kind` leaves of it.
Checked check_name(std::string_view text, Domain::Kind kind) {
  if (text.starts_with('[') && kind == Domain::Kind::exact) {
    const auto address = base::Address::parse_ip(text.substr(1, text.size() - 2), 0);
    if (!text.ends_with(']') || !address || address->family() != base::Address::Family::ipv6) {
      return std::unexpected(PatternFault::bad_ipv6);
    }
    return {};
  }
  if (!std::ranges::all_of(text, is_host_byte)) return std::unexpected(PatternFault::bad_host_byte);
  if (text.empty() || text.find("..") != std::string_view::npos ||
      (text.starts_with('.') && kind != Domain::Kind::suffix)) {
    return std::unexpected(PatternFault::empty_label);
  }
  return {};
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
    case PatternFault::host_too_long: return {"no host is longer than 255 bytes", "shorten it"};
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
  auto name = without_star(text, domain.kind);
  if (name.find('*') != std::string_view::npos) return std::unexpected(PatternFault::bad_star);
  std::string port;
  if (domain.kind == Domain::Kind::prefix && name.ends_with(':')) {
    port = ':';  // any port of one host
    name.remove_suffix(1);
    if (const auto checked = check_name(name, Domain::Kind::exact); !checked)
      return std::unexpected(checked.error());
  } else {
    if (const auto taken = take_port(name, port); !taken) return std::unexpected(taken.error());
    if (domain.kind == Domain::Kind::prefix && !port.empty()) return std::unexpected(PatternFault::bad_port);
    if (const auto checked = check_name(name, domain.kind); !checked) return std::unexpected(checked.error());
  }
  if (name.size() > max_host_bytes) return std::unexpected(PatternFault::host_too_long);
  if (name.ends_with('.') && (domain.kind != Domain::Kind::prefix || !port.empty())) name.remove_suffix(1);
  if (name.empty()) return std::unexpected(PatternFault::empty_label);
  domain.text = name;
  std::ranges::transform(domain.text, domain.text.begin(), lower);
  domain.has_port = !port.empty();
  domain.text += port;
  return domain;
}

std::optional<PatternFault> fault_of(const Match& match) {
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
    const bool is_whole = digits.size() == 2 || match.path_kind == Match::Path::exact;
    if (!std::ranges::all_of(digits, is_hex) || digits == "00" || (is_whole && digits.size() < 2)) {
      return PatternFault::bad_path_escape;
    }
  }
  return std::nullopt;
}

}  // namespace weft::snapshot
