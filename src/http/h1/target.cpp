#include "http/h1/target.h"

#include <algorithm>

#include "message/syntax.h"
#include "message/validate.h"

namespace weft::http::h1 {
namespace {

using message::Method;
using message::Refusal;

/// The size of "http://" or "https://" at the front, 0 if neither is there.
std::size_t scheme_size(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (message::equals_ignore_case(target.substr(0, scheme.size()), scheme)) return scheme.size();
  }
  return 0;
}

std::expected<void, Refusal> parse_absolute(std::string_view target, std::size_t scheme,
                                            message::RequestHead& into, std::string& authority) {
  const auto rest = target.substr(scheme);
  const auto end = std::min(rest.find_first_of("/?"), rest.size());
  if (auto checked = message::check_authority(rest.substr(0, end), false); !checked) return checked;
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
  if (auto checked = message::check_target_bytes(target); !checked) return checked;
  if (into.method == Method::connect) {
    authority = target;
    into.target.clear();
    return message::check_authority(target, true);
  }
  const auto scheme = target.front() == '/' ? 0 : scheme_size(target);
  if (scheme == 0) {
    into.target = target;
  } else if (auto parsed = parse_absolute(target, scheme, into, authority); !parsed) {
    return parsed;
  }
  return message::check_target(into);
}

}  // namespace weft::http::h1
