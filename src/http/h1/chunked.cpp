#include "http/h1/chunked.h"

#include <algorithm>

#include "http/h1/limits.h"
#include "message/syntax.h"
#include "message/validate.h"

namespace weft::http::h1 {
namespace {

int hex_value(char c) {
  const char lower = message::ascii_lower(c);
  if (c >= '0' && c <= '9') return c - '0';
  if (lower >= 'a' && lower <= 'f') return lower - 'a' + 10;
  return -1;
}

void skip_space(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

bool skip_token(std::string_view& text) {
  std::size_t size = 0;
  while (size < text.size() && message::is_token_char(text[size])) ++size;
  text.remove_prefix(size);
  return size > 0;
}

bool skip_quoted(std::string_view& text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

/// RFC 9112, 7.1.1: any number of ";name" and ";name=value". Space between size and ";" is not taken.
bool are_extensions(std::string_view text) {
  if (message::trim(text).size() != text.size()) return false;  // space at the line's end
  while (!text.empty()) {
    if (text.front() != ';') return false;
    text.remove_prefix(1);
    skip_space(text);
    if (!skip_token(text)) return false;
    skip_space(text);
    if (!text.starts_with('=')) continue;
    text.remove_prefix(1);
    skip_space(text);
    const bool ok = text.starts_with('"') ? skip_quoted(text) : skip_token(text);
    if (!ok) return false;
    skip_space(text);
  }
  return true;
}

}  // namespace

void ChunkDecoder::reset() {
  state_ = State::size;
  remaining_ = 0;
  extension_bytes_ = 0;
  lines_.reset();
  trailers_.clear();
}

std::expected<ChunkDecoder::Step, Refusal> ChunkDecoder::decode(std::string_view bytes) {
  auto result = step(bytes);
  if (!result) {
    state_ = State::refused;
    refusal_ = result.error();
    trailers_.clear();  // their text is nowhere
  }
  return result;
}

std::expected<ChunkDecoder::Step, Refusal> ChunkDecoder::step(std::string_view bytes) {
  Step step;
  const auto rest = [&] { return bytes.substr(step.consumed); };
  while (true) {
    switch (state_) {
      case State::size: {
        const auto moved = read_size(rest());
        if (!moved) return std::unexpected(moved.error());
        if (!*moved) return step;
        step.consumed += lines_.position();
        lines_.reset();
        break;
      }
      case State::data: {
        const auto size = std::min<std::uint64_t>(remaining_, rest().size());
        step.data = rest().substr(0, size);
        step.consumed += size;
        remaining_ -= size;
        if (remaining_ == 0) state_ = State::data_end;
        return step;
      }
      case State::data_end: {
        const auto end = rest().substr(0, 2);
        if (!std::string_view("\r\n").starts_with(end))
          return std::unexpected(Refusal::chunk_longer_than_size);
        if (end.size() < 2) return step;
        step.consumed += 2;
        state_ = State::size;
        break;
      }
      case State::trailer: {
        const auto ended = read_trailer(rest());
        if (!ended) return std::unexpected(ended.error());
        if (!*ended) return step;
        step.consumed += lines_.position();
        state_ = State::done;
        return step;
      }
      case State::done: return step;
      case State::refused: return std::unexpected(refusal_);
    }
  }
}

std::expected<bool, Refusal> ChunkDecoder::read_size(std::string_view bytes) {
  const auto complete = lines_.next(bytes);
  if (!complete) return complete;
  if (!*complete) {
    if (bytes.size() <= max_chunk_size_digits + max_chunk_extension_bytes + 1) return false;
    return std::unexpected(Refusal::chunk_extensions_too_large);
  }
  if (auto parsed = parse_size(lines_.line(bytes)); !parsed) return std::unexpected(parsed.error());
  state_ = remaining_ > 0 ? State::data : State::trailer;
  return true;
}

std::expected<void, Refusal> ChunkDecoder::parse_size(std::string_view line) {
  std::uint64_t size = 0;
  std::size_t digits = 0;
  for (; digits < line.size() && hex_value(line[digits]) >= 0; ++digits) {
    if (digits == max_chunk_size_digits) return std::unexpected(Refusal::chunk_size_overflow);
    size = size * 16 + static_cast<std::uint64_t>(hex_value(line[digits]));
  }
  if (digits == 0) return std::unexpected(Refusal::bad_chunk_size);
  if (size > max_body_length) return std::unexpected(Refusal::chunk_size_overflow);
  const auto extensions = line.substr(digits);
  if (!extensions.empty() && extensions.front() != ';') return std::unexpected(Refusal::bad_chunk_size);
  extension_bytes_ += extensions.size();
  if (extension_bytes_ > max_chunk_extension_bytes)
    return std::unexpected(Refusal::chunk_extensions_too_large);
  if (!are_extensions(extensions)) return std::unexpected(Refusal::bad_chunk_extension);
  remaining_ = size;
  return {};
}

std::expected<bool, Refusal> ChunkDecoder::read_trailer(std::string_view bytes) {
  const auto ended = parse_fields(lines_, bytes, trailers_);
  if (!ended) return std::unexpected(ended.error());
  const auto size = *ended ? lines_.position() : bytes.size();
  if (size > max_trailer_bytes || (!*ended && size == max_trailer_bytes)) {
    return std::unexpected(Refusal::trailer_too_large);
  }
  if (!*ended) return false;
  trailers_.hold(bytes.substr(0, size));
  if (auto checked = message::check_trailers(trailers_); !checked) return std::unexpected(checked.error());
  return true;
}

}  // namespace weft::http::h1
