#include "decide/location.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "message/authority.h"

namespace weft::decide {
namespace {

std::string_view scheme_of(const snapshot::Redirect& redirect, std::string_view asked) {
  switch (redirect.scheme) {
    case snapshot::Redirect::Scheme::as_asked: return asked;
    case snapshot::Redirect::Scheme::http: return "http";
    case snapshot::Redirect::Scheme::https: return "https";
  }
  return {};
}

std::uint16_t own_port(std::string_view scheme) { return scheme == "https" ? 443 : 80; }

/// Appends what the redirect makes of `path`, which is empty if the request has none ("*", CONNECT).
void append_path(std::string& uri, const snapshot::Redirect& redirect, const snapshot::Match& match,
                 std::string_view path) {
  switch (redirect.path_kind) {
    case snapshot::Redirect::Path::as_asked: uri += path; return;
    case snapshot::Redirect::Path::whole: uri += redirect.path; return;
    case snapshot::Redirect::Path::prefix: break;
  }
  // A slash at the end of what is replaced, or of what replaces it, is the one that the rest begins with.
  std::string_view replaced = match.path;
  if (replaced.ends_with('/')) replaced.remove_suffix(1);
  const auto rest = path.substr(std::min(replaced.size(), path.size()));
  uri += redirect.path;
  if (uri.ends_with('/') && rest.starts_with('/')) uri.pop_back();
  uri += rest;
}

}  // namespace

std::string location(const snapshot::Redirect& redirect, const snapshot::Match& match,
                     std::string_view scheme, const Request& request) {
  const auto asked = message::split_authority(request.host);
  const auto new_scheme = scheme_of(redirect, scheme);
  std::string uri(new_scheme);
  uri += "://";
  if (!redirect.host.empty()) {
    uri += redirect.host;
  } else if (asked) {
    uri += asked->host;
  }
  std::optional<std::uint16_t> port;
  if (redirect.port != 0) {
    port = redirect.port;
  } else if (redirect.host.empty() && asked && asked->port != own_port(scheme)) {
    port = asked->port;
  }
  // The scheme's own is left out (RFC 9110, 4.2.3).
  if (port && *port != own_port(new_scheme)) uri.append(":").append(std::to_string(*port));

  const auto query_at = std::min(request.path.find('?'), request.path.size());
  const auto path = request.path.substr(0, query_at);
  append_path(uri, redirect, match, path.starts_with('/') ? path : std::string_view());
  return uri.append(request.path.substr(query_at));
}

}  // namespace weft::decide
