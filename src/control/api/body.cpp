#include "control/api/body.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "yaml/parse.h"

namespace weft::control::api {

namespace {

using base::Json;

std::unexpected<Failure> malformed(const base::Diagnostic& diagnostic) {
  auto message = diagnostic.message;
  if (!diagnostic.mend.empty()) message += "; " + diagnostic.mend;
  return refuse(Reason::bad_request,
                fmt::format("the body cannot be read: line {}, column {}: {}", diagnostic.position.line,
                            diagnostic.position.column, message));
}

Outcome<Json> check_size(std::string_view body) {
  if (body.size() > max_body_bytes) {
    return refuse(Reason::too_large, fmt::format("the body has {} bytes, an object may have {} at most",
                                                 body.size(), max_body_bytes));
  }
  if (body.empty()) return refuse(Reason::bad_request, "the request needs a body");
  return Json();
}

Outcome<Json> must_be_object(Json json) {
  if (!json.is_object()) return refuse(Reason::bad_request, "the body must be one object");
  return json;
}

Outcome<Json> parse_json(std::string_view body) {
  if (auto size = check_size(body); !size) return size;
  auto json = yaml::parse_json(body);
  if (!json) return malformed(json.error());
  return must_be_object(std::move(*json));
}

Outcome<Json> parse_yaml(std::string_view body) {
  if (auto size = check_size(body); !size) return size;
  const auto parsed = yaml::parse(yaml::Source("", std::string(body)));
  for (const auto& diagnostic : parsed.diagnostics) {
    if (diagnostic.severity == base::Severity::error) return malformed(diagnostic);
  }
  if (parsed.documents.size() != 1) {
    return refuse(Reason::bad_request,
                  fmt::format("the body must be one object, it has {} documents", parsed.documents.size()));
  }
  return must_be_object(yaml::to_json(parsed.documents[0]));
}

}  // namespace

std::string media_type(std::string_view content_type) {
  auto type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  std::string lower(type);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower;
}

Outcome<Json> parse_object(std::string_view content_type, std::string_view body) {
  static constexpr std::array<std::string_view, 4> yaml_types{"application/yaml", "application/x-yaml",
                                                              "text/yaml", "text/x-yaml"};
  const auto type = media_type(content_type);
  if (type.empty() || type == "application/json") return parse_json(body);
  if (std::ranges::find(yaml_types, type) != yaml_types.end()) return parse_yaml(body);
  return refuse(
      Reason::unsupported_media_type,
      fmt::format("a body of type {} is not understood; send application/json or application/yaml", type));
}

Outcome<Json> parse_merge_patch(std::string_view content_type, std::string_view body) {
  const auto type = media_type(content_type);
  if (type == "application/merge-patch+json") return parse_json(body);
  return refuse(
      Reason::unsupported_media_type,
      fmt::format("a patch of type {} is not understood; send application/merge-patch+json (RFC 7386; with "
                  "kubectl: patch --type=merge)",
                  type.empty() ? "none" : type));
}

}  // namespace weft::control::api
