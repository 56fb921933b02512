// What a route may do with a request, beyond what the types say.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "snapshot/snapshot.h"

namespace weft::snapshot {

/// The longest body of a Reply: that of Envoy's DirectResponseAction. It is kept once for each proxy; what is
/// longer is a service's.
inline constexpr std::size_t max_reply_bytes = 4096;

/// Why an Action cannot be done.
struct ActionFault {
  /// The part that is wrong, as a config file has it: "host", "prefix", "body"; empty: all of it.
  std::string_view field;
  std::string_view what;
  /// What to do, as an instruction.
  std::string_view mend;
};

/// Why no route may give the header of that name (in lower case) to requests, or take it from them: it is no
/// header, or one that the proxy itself answers for.
std::optional<ActionFault> fault_of_header(std::string_view name);
/// What is wrong with `action`; nothing if it may be. That a redirect leads to itself by another way is not
/// looked for.
std::optional<ActionFault> fault_of(const Action& action);
/// As that, and what is wrong with it for the requests that the route takes: a redirect that replaces what
/// these have by itself.
std::optional<ActionFault> fault_of(const Route& route);

}  // namespace weft::snapshot
