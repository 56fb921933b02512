// The limits of what a peer may send in HTTP/1.1, and why each is what it is.
#pragma once

#include <cstddef>

#include "message/validate.h"
#include "runtime/block.h"

namespace weft::http::h1 {

/// A whole head with its last empty line. Envoy takes 60 KiB, nginx 32 KiB, HAProxy 16 KiB.
inline constexpr std::size_t max_head_bytes = 64 * 1024;
/// Those of every protocol.
using message::max_body_length;
using message::max_fields;
using message::max_interim_responses;
using message::max_method_bytes;
using message::max_target_bytes;

/// A whole trailer with its last empty line.
inline constexpr std::size_t max_trailer_bytes = 16 * 1024;
/// Chunk extensions of a whole body: nobody uses them, and they cost a peer nothing to send.
inline constexpr std::size_t max_chunk_extension_bytes = 4 * 1024;
/// Hexadecimal digits of a chunk size: as many as 64 bits have.
inline constexpr std::size_t max_chunk_size_digits = 16;
/// The receive buffer of a connection: what one read can bring. A head that is larger makes it grow.
inline constexpr std::size_t receive_buffer_bytes = runtime::small_block_bytes;
/// It grows to this for bodies of at least that length, to save system calls.
inline constexpr std::size_t bulk_buffer_bytes = runtime::bulk_block_bytes;

}  // namespace weft::http::h1
