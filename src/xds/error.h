// What can go wrong between control plane and proxy.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace weft::xds {

enum class XdsErrorKind : std::uint8_t {
  /// A resource that cannot be read or used; the text is fit for a NACK. The same bytes will fail again.
  invalid_resource,
  /// A proxy refused what was published; trying again needs another configuration.
  nacked,
  /// Not every proxy has answered in time.
  timeout,
  /// Nothing is published for that context.
  not_published,
};

using XdsError = base::ErrorOf<XdsErrorKind>;

/// "invalid resource", "refused by the proxy", ...
std::string_view words(XdsErrorKind kind);

}  // namespace weft::xds
