// Base64 with the standard alphabet (RFC 4648, 4), as Kubernetes writes bytes in JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weft::base {

/// With padding, in one line.
std::string encode_base64(std::string_view bytes);
/// The bytes; line ends within are passed over, as Go's decoder does. Nothing if it is malformed.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace weft::base
