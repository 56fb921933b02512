// The chunked decoder: whole and in pieces must give the same content, trailers, end and verdict.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/h1/chunked.h"

namespace {

using namespace weft;

struct Outcome {
  std::string content;
  std::size_t consumed = 0;
  bool done = false;
  bool refused = false;
  message::Headers trailers;
};

Outcome decode(std::string_view bytes, std::size_t step) {
  http::h1::ChunkDecoder decoder;
  Outcome outcome;
  std::size_t arrived = 0;
  while (!decoder.is_done()) {
    // A copy of its own, so that the sanitizer sees a read behind its end.
    const std::string window(bytes.substr(outcome.consumed, arrived - outcome.consumed));
    const auto got = decoder.decode(window);
    if (!got) {
      outcome.refused = true;
      return outcome;
    }
    outcome.content += got->data;
    outcome.consumed += got->consumed;
    if (got->consumed > 0) continue;
    if (arrived == bytes.size()) break;
    arrived = std::min(bytes.size(), arrived + step);
  }
  outcome.done = decoder.is_done();
  outcome.trailers = decoder.trailers();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto whole = decode(bytes, std::max<std::size_t>(bytes.size(), 1));
  const auto pieces = decode(bytes, data[0] % 16 + 1U);
  const bool same = whole.refused == pieces.refused && whole.done == pieces.done;
  // Content that came before a refusal may have been given out in more or fewer pieces.
  if (!same || (!whole.refused && (whole.content != pieces.content || whole.consumed != pieces.consumed)))
    std::abort();
  if (whole.done && !(whole.trailers == pieces.trailers)) std::abort();
  return 0;
}
