// Heads to bytes. What goes out is rebuilt from the parsed values: framing fields come from the Framing
// alone.
#pragma once

#include <cstdint>
#include <string>

#include "http/h1/parse.h"
#include "message/head.h"
#include "message/patch.h"

namespace weft::http::h1 {

/// Appends the head with its empty line, always as HTTP/1.1. Content-Length and Transfer-Encoding in the
/// headers are left out; those that `framing` asks for are put. Host comes first.
void append_head(std::string& out, const message::RequestHead& head, const Framing& framing,
                 const message::Patch& patch = {});
void append_head(std::string& out, const message::ResponseHead& head, const Framing& framing,
                 const message::Patch& patch = {});

/// The line before a chunk of `size` bytes, "1f\r\n".
void append_chunk_size(std::string& out, std::uint64_t size);
/// The last chunk with its trailers, "0\r\n" ... "\r\n".
void append_last_chunk(std::string& out, const message::Headers& trailers);

}  // namespace weft::http::h1
