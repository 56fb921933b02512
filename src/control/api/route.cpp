#include "control/api/route.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>

namespace weft::control::api {

namespace {

using message::Method;

std::unexpected<Failure> no_such_path() {
  return refuse(Reason::not_found, "the server could not find the requested resource");
}

std::unexpected<Failure> no_such_method(std::string allow, std::string_view why = {}) {
  Failure failure;
  failure.reason = Reason::method_not_allowed;
  failure.message =
      fmt::format("the server does not allow this method on the requested resource{}{}; allowed: {}",
                  why.empty() ? "" : ": ", why, allow);
  failure.allow = std::move(allow);
  return std::unexpected(std::move(failure));
}

bool reads(Method method) { return method == Method::get || method == Method::head; }

/// What a path below a group and version names: plural[/name[/subresource]], in a namespace or not.
struct Place {
  std::string ns;
  bool in_namespace = false;
  std::string plural;
  std::string name;
  std::string subresource;
};

std::optional<Place> place_of(std::span<const std::string> rest) {
  Place place;
  // namespaces/{name} and namespaces/{name}/status are about the Namespace itself.
  if (rest.size() >= 3 && rest[0] == "namespaces" && rest[2] != "status") {
    place.ns = rest[1];
    place.in_namespace = true;
    rest = rest.subspan(2);
  }
  if (rest.empty() || rest.size() > 3 || (place.in_namespace && place.ns.empty())) return std::nullopt;
  if (std::ranges::any_of(rest, &std::string::empty)) return std::nullopt;
  place.plural = rest[0];
  if (rest.size() > 1) place.name = rest[1];
  if (rest.size() > 2) place.subresource = rest[2];
  return place;
}

std::optional<Verb> verb_of(Method method, const Place& place, bool watch) {
  const bool collection = place.name.empty();
  switch (method) {
    case Method::get:
    case Method::head:
      return !collection ? Verb::get : watch && method == Method::get ? Verb::watch : Verb::list;
    case Method::post: return collection ? std::optional(Verb::create) : std::nullopt;
    case Method::put: return collection ? std::nullopt : std::optional(Verb::update);
    case Method::patch: return collection ? std::nullopt : std::optional(Verb::patch);
    case Method::delete_:
      return collection || !place.subresource.empty() ? std::nullopt : std::optional(Verb::remove);
    case Method::connect:
    case Method::options:
    case Method::trace:
    case Method::other: return std::nullopt;
  }
  return std::nullopt;
}

Outcome<Route> object_route(Method method, std::string_view group, std::string_view version,
                            std::span<const std::string> rest, bool watch) {
  const auto place = place_of(rest);
  if (!place) return no_such_path();
  const auto* kind = model::find_kind(group, version, place->plural);
  if (kind == nullptr || (place->in_namespace && !kind->namespaced)) return no_such_path();
  const bool everywhere = kind->namespaced && !place->in_namespace;
  if (everywhere && !place->name.empty()) return no_such_path();

  if (kind->kind == "Pod" && place->subresource == "log") {
    if (!reads(method)) return no_such_method("GET");
    return LogRoute{place->ns, place->name};
  }
  if (!place->subresource.empty() && place->subresource != "status") return no_such_path();

  const auto verb = verb_of(method, *place, watch);
  const bool is_pod = kind->kind == "Pod" && place->subresource.empty() && !place->name.empty();
  if (kind->is_read_only() && !reads(method) && !(is_pod && method == Method::delete_)) {
    return no_such_method(is_pod ? "GET, DELETE" : "GET",
                          fmt::format("{} are made by weft itself", kind->plural));
  }
  if (everywhere && !reads(method)) {
    return no_such_method("GET", fmt::format("{} live in a namespace, name it in the path", kind->plural));
  }
  if (!place->subresource.empty() && !reads(method)) {
    return no_such_method("GET", "the status says what is so, and is written by weft itself");
  }
  if (!verb) {
    return no_such_method(place->name.empty() ? "GET, POST" : "GET, PUT, PATCH, DELETE");
  }
  return ObjectRoute{*verb, kind, place->ns, place->name};
}

std::optional<Page> page_of(const std::vector<std::string>& segments) {
  struct Named {
    std::vector<std::string> segments;
    Page page;
  };
  static const std::vector<Named> pages{
      {{"version"}, Page::version},
      {{"healthz"}, Page::health},
      {{"livez"}, Page::health},
      {{"readyz"}, Page::ready},
      {{"metrics"}, Page::metrics},
      {{"weft", "v1", "status"}, Page::status},
      {{"weft", "v1", "shutdown"}, Page::shutdown},
  };
  const auto found = std::ranges::find(pages, segments, &Named::segments);
  return found != pages.end() ? std::optional(found->page) : std::nullopt;
}

}  // namespace

Outcome<Route> find_route(Method method, const std::vector<std::string>& segments, bool watch) {
  if (const auto page = page_of(segments)) {
    const bool changes = *page == Page::shutdown;
    if (changes ? method != Method::post : !reads(method)) return no_such_method(changes ? "POST" : "GET");
    return *page;
  }
  const std::span<const std::string> all(segments);
  if (all.empty()) return no_such_path();
  // No name has one: it is a path that somebody pasted together.
  if (std::ranges::any_of(all, [](const std::string& part) { return part.find('/') != std::string::npos; }))
    return refuse(Reason::bad_request, "the path has an encoded slash (%2F) in one of its parts");
  const bool core = all[0] == "api";
  if (!core && all[0] != "apis") return no_such_path();
  // /api/{version}/... and /apis/{group}/{version}/...; what is shorter is discovery.
  const std::size_t prefix = core ? 2 : 3;
  if (all.size() > prefix) {
    return object_route(method, core ? std::string_view() : all[1], all[prefix - 1], all.subspan(prefix),
                        watch);
  }
  if (!reads(method)) return no_such_method("GET");
  return DiscoveryRoute{segments};
}

}  // namespace weft::control::api
