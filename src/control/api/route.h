// From a request's method and path to what is asked for, as the Kubernetes API lays its paths out.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "control/api/status.h"
#include "message/method.h"
#include "model/kinds.h"

namespace weft::control::api {

enum class Verb : std::uint8_t { get, list, watch, create, update, patch, remove };

/// Something with a kind's objects.
struct ObjectRoute {
  Verb verb = Verb::get;
  /// From the registry, never null.
  const model::Kind* kind = nullptr;
  /// Empty for kinds without namespace, and for lists over all namespaces.
  std::string ns;
  /// Empty for lists and creation.
  std::string name;
};

/// GET .../pods/{name}/log
struct LogRoute {
  std::string ns;
  std::string pod;
};

/// What there is to ask for: the paths /api, /apis and those below them that name no kind.
struct DiscoveryRoute {
  std::vector<std::string> segments;
};

enum class Page : std::uint8_t { version, health, ready, status, metrics, shutdown };

using Route = std::variant<ObjectRoute, LogRoute, DiscoveryRoute, Page>;

/// `segments` are the decoded parts of the path; `watch` is whether the query asks for one. Errors:
/// not_found, method_not_allowed, bad_request for a part with a slash in it.
Outcome<Route> find_route(message::Method method, const std::vector<std::string>& segments, bool watch);

}  // namespace weft::control::api
