// The chunked transfer coding (RFC 9112, 7.1): decoded in place from a receive buffer, with extensions and
// trailers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string_view>

#include "http/h1/parse.h"
#include "message/headers.h"
#include "message/refusal.h"

namespace weft::http::h1 {

class ChunkDecoder {
 public:
  struct Step {
    /// Bytes to drop from the front, `data` among them.
    std::size_t consumed = 0;
    /// Content, at the end of what is consumed; a view into the given bytes.
    std::string_view data;
  };

  /// Decodes from the front of `bytes`, which must begin with what the last step did not consume. A step that
  /// consumes nothing needs more bytes, unless is_done(). After an error the body is lost: every further step
  /// gives that error again.
  std::expected<Step, Refusal> decode(std::string_view bytes);
  /// The whole body and its trailer have been consumed.
  bool is_done() const { return state_ == State::done; }
  const message::Headers& trailers() const { return trailers_; }
  /// Ready for another body, memory kept.
  void reset();

 private:
  enum class State : std::uint8_t { size, data, data_end, trailer, done, refused };

  std::expected<Step, Refusal> step(std::string_view bytes);
  /// True if the state moved on, false if more bytes are needed.
  std::expected<bool, Refusal> read_size(std::string_view bytes);
  std::expected<bool, Refusal> read_trailer(std::string_view bytes);
  std::expected<void, Refusal> parse_size(std::string_view line);

  State state_ = State::size;
  Refusal refusal_{};                // of State::refused
  std::uint64_t remaining_ = 0;      // of the chunk's data
  std::size_t extension_bytes_ = 0;  // of the whole body
  LineScanner lines_;
  message::Headers trailers_;
};

}  // namespace weft::http::h1
