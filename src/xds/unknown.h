// Fields of a peer's message that this version does not know: refused where they would change security or
// routing, else counted. The lite runtime keeps them as bytes, so a small scanner looks for their numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "xds/wire.h"

namespace weft::xds {

/// A field of Envoy's API that weft must not pass over.
struct Critical {
  std::uint32_t number;
  std::string_view name;
};

/// What to do with the unknown fields of one message type.
struct UnknownPolicy {
  std::string_view message;
  std::span<const Critical> critical;
  /// Every unknown field is critical: a match that is passed over would take requests that are not meant.
  bool all_critical = false;
};

/// Looks through `fields` (unknown_fields() of a message). Gives the words for a NACK at the first critical
/// one; counts the others in `ignored`.
std::optional<std::string> scan_unknown(std::string_view fields, const UnknownPolicy& policy,
                                        Ignored& ignored);
/// Counts one thing that is passed over.
void ignore(Ignored& ignored, std::string what);

}  // namespace weft::xds
