// The four forms of a request target (RFC 9112, 3.2), brought to one.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "message/head.h"
#include "message/refusal.h"

namespace weft::http::h1 {

/// Reads `target`, whose control bytes but tab have been refused, by the method in `into`: puts the
/// origin-form, "*" or (CONNECT) nothing into into.target, and the authority that the target carries into
/// `authority`.
std::expected<void, message::Refusal> parse_target(std::string_view target, message::RequestHead& into,
                                                   std::string& authority);

}  // namespace weft::http::h1
