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

/// The same with its query.
void append_target(std::string& uri, const snapshot::Redirect& redirect, const snapshot::Match& match,
                   std::string_view target) {
  const auto query_at = std::min(target.find('?'), target.size());
  const auto path = target.substr(0, query_at);
  append_path(uri, redirect, match, path.starts_with('/') ? path : std::string_view());
  uri += target.substr(query_at);
}

/// To the host that was asked, whose name is not known (RFC 3986, 4.2). Two slashes would begin a host.
std::string relative(const snapshot::Redirect& redirect, const snapshot::Match& match,
                     std::string_view target) {
  std::string uri;
  append_target(uri, redirect, match, target);
  return uri.starts_with('/') && !uri.starts_with("//") ? uri : "/." + uri;
}

}  // namespace

std::string location(const snapshot::Redirect& redirect, const snapshot::Match& match,
                     std::string_view scheme, const Request& request) {
  const auto asked = message::split_authority(request.host);
  const auto new_scheme = scheme_of(redirect, scheme);
  if (!asked && redirect.host.empty() && redirect.port == 0 && new_scheme == scheme) {
    return relative(redirect, match, request.path);
  }
  std::string uri(new_scheme);
  uri += "://";
  if (!redirect.host.empty()) {
    uri += redirect.host;
  } else {
    uri += asked ? asked->host : std::string_view("localhost");
  }
  std::optional<std::uint16_t> port;
  if (redirect.port != 0) {
    port = redirect.port;
  } else if (redirect.host.empty() && asked && asked->port != own_port(scheme)) {
    port = asked->port;
  }
  // The scheme's own is left out (RFC 9110, 4.2.3).
  if (port && *port != own_port(new_scheme)) uri.append(":").append(std::to_string(*port));

  append_target(uri, redirect, match, request.path);
  return uri;
}

}  // namespace weft::decide
