// Request bodies: JSON or YAML text to one document.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/json.h"
#include "control/api/status.h"

namespace weft::control::api {

/// The largest body, and so the largest object: Kubernetes' own limit (apiserver, MaxRequestBodyBytes).
constexpr std::size_t max_body_bytes = std::size_t{3} << 20;

/// The media type in a Content-Type, in lower case and without its parameters.
std::string media_type(std::string_view content_type);

/// Reads application/json (also if the type is missing) and application/yaml. Errors: too_large,
/// unsupported_media_type, bad_request with line and column.
Outcome<base::Json> parse_object(std::string_view content_type, std::string_view body);
/// The body of a PATCH, an RFC 7386 merge patch; the same errors.
Outcome<base::Json> parse_merge_patch(std::string_view content_type, std::string_view body);

}  // namespace weft::control::api
