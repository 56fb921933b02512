// One side of an HTTP/2 connection at the least cost: what goes out was made once, and of what comes only
// that is looked at which tells the end of a message. Its peers are the proxies that are measured: what one
// does that is not expected here is an error, never put up with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::bench {

/// RFC 9113, 6.
enum class FrameType : std::uint8_t {
  data = 0,
  headers = 1,
  reset = 3,
  settings = 4,
  ping = 6,
  go_away = 7,
  window = 8,
};

inline constexpr std::uint8_t ends_stream = 0x1;
inline constexpr std::uint8_t is_answer = 0x1;  // of SETTINGS and PING
inline constexpr std::uint8_t ends_headers = 0x4;
inline constexpr std::uint8_t is_padded = 0x8;

struct Frame {
  FrameType type{};
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
  std::string_view payload;

  bool is_last() const {
    return (type == FrameType::data || type == FrameType::headers) && (flags & ends_stream) != 0;
  }
};

/// A block of fields that a connection sends again and again: in full the first time, which puts them into
/// the peer's table, then by their places there (RFC 7541, 6.1 and 6.2.1); always in full to a peer that
/// keeps no table.
class Block {
 public:
  using Field = std::pair<std::string_view, std::string_view>;
  /// `indexed` are the fields of the static table, as bytes. `later` fields of other blocks follow in the
  /// table. No name or value has more than 126 bytes.
  Block(std::string_view indexed, std::span<const Field> fields, std::size_t later = 0);

  std::string_view bytes(bool is_first, bool has_table) const {
    if (!has_table) return plain_;
    return is_first ? first_ : again_;
  }

 private:
  std::string first_;
  std::string again_;
  std::string plain_;
};

/// Whether a response's block begins with ":status: 200", as every encoder writes it (RFC 7541, appendix A).
bool is_ok(std::string_view block);

class Frames {
 public:
  enum class Side : std::uint8_t { client, server };

  Frames(std::unique_ptr<runtime::Stream> stream, Side side);

  /// Waits for bytes. False if none come any more, or the peer did what is not expected.
  runtime::Task<bool> more();
  /// The next frame of those that are here, but for what this answers itself: SETTINGS, PING, WINDOW_UPDATE.
  /// Its payload is valid until the next more().
  std::optional<Frame> next();
  void put(FrameType type, std::uint8_t flags, std::uint32_t stream, std::string_view payload);
  /// Sends what was put.
  runtime::Task<bool> send();
  /// The same without waiting; false if the socket does not take all of it.
  bool send_now();
  /// Bytes of bodies that the peer takes on this connection.
  std::int64_t window() const { return window_; }
  /// The peer keeps a table of fields.
  bool has_table() const { return has_table_; }

 private:
  bool is_for_owner(const Frame& frame);
  void take_settings(std::string_view payload);

  std::unique_ptr<runtime::Stream> stream_;
  std::unique_ptr<char[]> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t to_skip_ = 0;
  std::string out_;
  std::int64_t window_ = 65'535;
  std::uint32_t taken_ = 0;
  bool has_table_ = true;
  bool is_ok_ = true;
};

}  // namespace weft::bench
