#include "control/api/discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "model/kinds.h"

namespace weft::control::api {

namespace {

using base::Json;

/// The Kubernetes release whose API this follows; kubectl warns if it is far from its own.
constexpr std::string_view kubernetes_minor = "30";

Json names(std::span<const std::string_view> list) {
  auto json = Json::array();
  for (const auto name : list) json.push_back(name);
  return json;
}

Json group_version(std::string_view group, std::string_view version) {
  return {{"groupVersion", fmt::format("{}/{}", group, version)}, {"version", version}};
}

/// Nothing for a group without kinds.
std::optional<Json> group_document(std::string_view group) {
  std::vector<std::string_view> versions;
  for (const auto& kind : model::kinds()) {
    if (kind.group() == group && std::ranges::find(versions, kind.version()) == versions.end()) {
      versions.push_back(kind.version());
    }
  }
  if (versions.empty()) return std::nullopt;
  auto all = Json::array();
  for (const auto version : versions) all.push_back(group_version(group, version));
  return Json{{"name", group}, {"versions", all}, {"preferredVersion", all[0]}};
}

Json group_list() {
  auto groups = Json::array();
  std::vector<std::string_view> seen;
  for (const auto& kind : model::kinds()) {
    if (kind.group().empty() || std::ranges::find(seen, kind.group()) != seen.end()) continue;
    seen.push_back(kind.group());
    groups.push_back(*group_document(kind.group()));
  }
  return {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", groups}};
}

std::optional<Json> resource_list(std::string_view group, std::string_view version) {
  static constexpr std::string_view read_only[]{"get", "list", "watch"};
  static constexpr std::string_view of_pods[]{"delete", "get", "list", "watch"};
  static constexpr std::string_view all[]{"create", "delete", "get", "list", "patch", "update", "watch"};
  auto resources = Json::array();
  for (const auto& kind : model::kinds()) {
    if (kind.group() != group || kind.version() != version) continue;
    Json resource{{"name", kind.plural},
                  {"singularName", kind.singular},
                  {"namespaced", kind.namespaced},
                  {"kind", kind.kind},
                  {"verbs", kind.kind == "Pod"    ? names(of_pods)
                            : kind.is_read_only() ? names(read_only)
                                                  : names(all)}};
    if (!kind.short_names.empty()) resource["shortNames"] = names(kind.short_names);
    resources.push_back(std::move(resource));
    const auto subresource = [&](std::string_view name, std::span<const std::string_view> verbs) {
      resources.push_back({{"name", fmt::format("{}/{}", kind.plural, name)},
                           {"singularName", ""},
                           {"namespaced", kind.namespaced},
                           {"kind", kind.kind},
                           {"verbs", names(verbs)}});
    };
    if (kind.kind == "Pod") subresource("log", std::span(read_only).first(1));
    subresource("status", std::span(read_only).first(1));
  }
  if (resources.empty()) return std::nullopt;
  const auto name = group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
  return Json{
      {"kind", "APIResourceList"}, {"apiVersion", "v1"}, {"groupVersion", name}, {"resources", resources}};
}

}  // namespace

std::optional<Json> discovery(const std::vector<std::string>& segments) {
  if (segments[0] == "api") {
    if (segments.size() > 1) return resource_list("", segments[1]);
    return Json{{"kind", "APIVersions"}, {"versions", {"v1"}}, {"serverAddressByClientCIDRs", Json::array()}};
  }
  if (segments.size() == 1) return group_list();
  if (segments.size() == 3) return resource_list(segments[1], segments[2]);
  auto group = segments[1].empty() ? std::nullopt : group_document(segments[1]);
  if (group) {
    (*group)["kind"] = "APIGroup";
    (*group)["apiVersion"] = "v1";
  }
  return group;
}

Json version_document() {
  return {{"major", "1"},
          {"minor", kubernetes_minor},
          {"gitVersion", fmt::format("v1.{}.0+weft-{}", kubernetes_minor, WEFT_VERSION)},
          {"platform", "linux"}};
}

}  // namespace weft::control::api
