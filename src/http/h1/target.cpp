#include "http/h1/target.h"

#include <algorithm>

#include "message/authority.h"
#include "message/scan.h"
#include "message/syntax.h"

namespace weft::http::h1 {
namespace {

using message::Method;

bool is_hex(char c) {
  const char lower = message::ascii_lower(c);
  return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'f');
}

/// Visible ASCII but "#". More than RFC 3986 allows: clients send [ ] { } | and others as they are.
std::expected<void, Refusal> check_bytes(std::string_view target) {
  const auto bad = message::find_no_target_byte(target);
  if (bad == target.size()) return {};
  return std::unexpected(target[bad] == '#' ? Refusal::target_fragment : Refusal::bad_target_byte);
}

/// Escapes in a path are decoded by whoever acts on it, so they must mean one thing (RFC 3986, 2.1;
/// NUL: 7.3).
bool has_good_escapes(std::string_view path) {
  for (auto at = message::find_byte(path, 0, '%'); at < path.size();
       at = message::find_byte(path, at + 3, '%')) {
    if (at + 2 >= path.size() || !is_hex(path[at + 1]) || !is_hex(path[at + 2])) return false;
    if (path[at + 1] == '0' && path[at + 2] == '0') return false;
  }
  return true;
}

/// The size of "http://" or "https://" at the front, 0 if neither is there.
std::size_t scheme_size(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (message::equals_ignore_case(target.substr(0, scheme.size()), scheme)) return scheme.size();
  }
  return 0;
}

std::expected<void, Refusal> check_authority(std::string_view authority, bool needs_port) {
  if (authority.find('@') != std::string_view::npos) return std::unexpected(Refusal::target_userinfo);
  const auto parts = message::split_authority(authority);
  if (!parts || (needs_port && !parts->port)) return std::unexpected(Refusal::bad_target);
  return {};
}

std::expected<void, Refusal> parse_absolute(std::string_view target, std::size_t scheme,
                                            message::RequestHead& into, std::string& authority) {
  const auto rest = target.substr(scheme);
  const auto end = std::min(rest.find_first_of("/?"), rest.size());
  if (auto checked = check_authority(rest.substr(0, end), false); !checked) return checked;
  authority = rest.substr(0, end);
  const auto path = rest.substr(end);
  if (path.empty()) {
    into.target = into.method == Method::options ? "*" : "/";  // RFC 9112, 3.2.4
  } else {
    into.target.clear();
    if (path.front() == '?') into.target = '/';
    into.target += path;
  }
  return {};
}

}  // namespace

std::expected<void, Refusal> parse_target(std::string_view target, message::RequestHead& into,
                                          std::string& authority) {
  if (auto checked = check_bytes(target); !checked) return checked;
  if (into.method == Method::connect) {
    if (auto checked = check_authority(target, true); !checked) return checked;
    authority = target;
    into.target.clear();
    return {};
  }
  if (target.front() == '/') {
    into.target = target;
  } else if (target == "*" && into.method == Method::options) {
    into.target = target;
  } else if (const auto scheme = scheme_size(target); scheme > 0) {
    if (auto parsed = parse_absolute(target, scheme, into, authority); !parsed) return parsed;
  } else {
    return std::unexpected(Refusal::bad_target);
  }
  if (!has_good_escapes(into.path())) return std::unexpected(Refusal::bad_target_escape);
  return {};
}

}  // namespace weft::http::h1
