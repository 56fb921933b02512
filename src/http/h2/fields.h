// Heads and trailers as HTTP/2 fields and back.
#pragma once

#include <nghttp2/nghttp2.h>

#include <string_view>
#include <vector>

#include "message/head.h"

namespace weft::http::h2 {

/// Fields that point into a head (and into static text): valid as long as that is. Names are lowered by
/// nghttp2.
using Fields = std::vector<nghttp2_nv>;

/// With pseudo-fields first; what belongs to one connection only is left out (RFC 9113, 8.2.2).
Fields fields_of(const message::RequestHead& head);
/// `status_text` keeps the digits of the status.
Fields fields_of(const message::ResponseHead& head, std::string& status_text);
Fields fields_of(const message::Headers& trailers);

/// Puts one received field into a head; nghttp2 has checked that it is allowed there.
void take_field(message::RequestHead& head, std::string_view name, std::string_view value);
void take_field(message::ResponseHead& head, std::string_view name, std::string_view value);

}  // namespace weft::http::h2
