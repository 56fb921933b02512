// Where a redirect leads to.
#pragma once

#include <string>
#include <string_view>

#include "decide/decide.h"
#include "snapshot/snapshot.h"

namespace weft::decide {

/// The URI for Location (RFC 9110, 10.2.2): that of `request`, which `match` took, with what `redirect`
/// replaces. `scheme` is the one that the client used. Absolute, but where the request names no host
/// (HTTP/1.0) and nothing of that is replaced. The query stays.
std::string location(const snapshot::Redirect& redirect, const snapshot::Match& match,
                     std::string_view scheme, const Request& request);

}  // namespace weft::decide
