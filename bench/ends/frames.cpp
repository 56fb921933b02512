#include "ends/frames.h"

#include <algorithm>
#include <cstring>

namespace weft::bench {
namespace {

constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::size_t head_bytes = 9;
/// Holds the largest frame that a peer may send (RFC 9113, 4.2), and more.
constexpr std::size_t buffer_bytes = 32 * 1024;
/// What a peer may send on a connection; it is given as much again when half is used.
constexpr std::uint32_t connection_window = 1U << 30;
/// What a peer may send on a stream; no message is as long.
constexpr std::uint32_t stream_window = 1U << 20;
/// As many as common servers allow (Go: 250).
constexpr std::uint32_t max_streams = 256;
constexpr std::uint32_t least_table = 4096;     // of RFC 9113, 6.5.2: what a Block counts on
constexpr std::uint32_t least_window = 16'384;  // more than any body that is sent

constexpr std::uint16_t setting_table = 1;
constexpr std::uint16_t setting_push = 2;
constexpr std::uint16_t setting_streams = 3;
constexpr std::uint16_t setting_window = 4;

/// "The table has no bytes", which is said where a block begins (RFC 7541, 6.3).
constexpr std::string_view no_table = "\x20";
/// The first place of the dynamic table (RFC 7541, 2.3.3).
constexpr std::size_t first_place = 62;

std::uint32_t number(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

void put_number(std::string& into, std::uint32_t value, int bytes) {
  while (bytes-- > 0) into += static_cast<char>(value >> (8 * bytes));
}

void put_setting(std::string& into, std::uint16_t name, std::uint32_t value) {
  put_number(into, name, 2);
  put_number(into, value, 4);
}

std::string word(std::uint32_t value) {
  std::string text;
  put_number(text, value, 4);
  return text;
}

}  // namespace

Block::Block(std::string_view indexed, std::span<const Field> fields, std::size_t later)
    : first_(indexed), again_(indexed), plain_(no_table) {
  plain_ += indexed;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    std::string texts;
    for (const auto text : {fields[i].first, fields[i].second}) {
      texts += static_cast<char>(text.size());
      texts += text;
    }
    first_ += '\x40';
    first_ += texts;
    again_ += static_cast<char>(0x80 | (first_place + later + fields.size() - 1 - i));
    plain_ += '\0';
    plain_ += texts;
  }
}

bool is_ok(std::string_view block) {
  constexpr char status_200 = '\x88';
  // An encoder may tell the size of its table first (RFC 7541, 6.3).
  while (!block.empty() && (block.front() & 0xe0) == 0x20) {
    const bool is_long = (block.front() & 0x1f) == 0x1f;
    block.remove_prefix(1);
    if (!is_long) continue;
    while (!block.empty() && (block.front() & 0x80) != 0) block.remove_prefix(1);
    if (!block.empty()) block.remove_prefix(1);
  }
  return block.starts_with(status_200);
}

Frames::Frames(std::unique_ptr<runtime::Stream> stream, Side side)
    : stream_(std::move(stream)), buffer_(std::make_unique_for_overwrite<char[]>(buffer_bytes)) {
  std::string settings;
  if (side == Side::client) {
    out_ = preface;
    put_setting(settings, setting_push, 0);
  } else {
    to_skip_ = preface.size();
    put_setting(settings, setting_streams, max_streams);
  }
  put_setting(settings, setting_window, stream_window);
  put(FrameType::settings, 0, 0, settings);
  put(FrameType::window, 0, 0, word(connection_window - 65'535));
}

runtime::Task<bool> Frames::more() {
  if (!is_ok_) co_return false;
  const auto got = co_await runtime::read(*stream_, {buffer_.get() + end_, buffer_bytes - end_});
  if (!got || *got == 0) co_return false;
  end_ += *got;
  co_return true;
}

std::optional<Frame> Frames::next() {
  while (true) {
    if (const auto skipped = std::min(to_skip_, end_ - begin_); skipped > 0) {
      begin_ += skipped;
      to_skip_ -= skipped;
    }
    const std::string_view here(buffer_.get() + begin_, end_ - begin_);
    if (here.size() < head_bytes) break;
    const auto size = number(here.substr(0, 3));
    if (here.size() < head_bytes + size) {
      is_ok_ = is_ok_ && head_bytes + size <= buffer_bytes;
      break;
    }
    begin_ += head_bytes + size;
    const Frame frame{static_cast<FrameType>(here[3]), static_cast<std::uint8_t>(here[4]),
                      number(here.substr(5, 4)), here.substr(head_bytes, size)};
    if (is_for_owner(frame)) return frame;
  }
  std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  return std::nullopt;
}

bool Frames::is_for_owner(const Frame& frame) {
  const bool answers = (frame.flags & is_answer) != 0;
  switch (frame.type) {
    case FrameType::settings:
      if (!answers) take_settings(frame.payload);
      return false;
    case FrameType::ping:
      if (!answers) put(FrameType::ping, is_answer, 0, frame.payload);
      return false;
    case FrameType::window:
      if (frame.stream == 0) window_ += number(frame.payload);
      return false;
    case FrameType::data:
      taken_ += static_cast<std::uint32_t>(frame.payload.size());
      if (taken_ >= connection_window / 2) {
        put(FrameType::window, 0, 0, word(taken_));
        taken_ = 0;
      }
      return true;
    case FrameType::headers:
      is_ok_ = is_ok_ && (frame.flags & ends_headers) != 0 && (frame.flags & is_padded) == 0;
      return true;
    case FrameType::reset:
    case FrameType::go_away: return true;
  }
  return false;  // what extensions send, and PRIORITY
}

void Frames::take_settings(std::string_view payload) {
  for (; payload.size() >= 6; payload.remove_prefix(6)) {
    const auto name = number(payload.substr(0, 2));
    const auto value = number(payload.substr(2, 4));
    if (name == setting_table) {
      has_table_ = value > 0;
      is_ok_ = is_ok_ && (value == 0 || value >= least_table);
    }
    if (name == setting_window) is_ok_ = is_ok_ && value >= least_window;
  }
  put(FrameType::settings, is_answer, 0, {});
}

void Frames::put(FrameType type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
  put_number(out_, static_cast<std::uint32_t>(payload.size()), 3);
  out_ += static_cast<char>(type);
  out_ += static_cast<char>(flags);
  put_number(out_, stream, 4);
  out_ += payload;
  if (type == FrameType::data) window_ -= static_cast<std::int64_t>(payload.size());
}

runtime::Task<bool> Frames::send() {
  if (out_.empty()) co_return true;
  iovec part{out_.data(), out_.size()};
  const auto sent = co_await runtime::write(*stream_, {&part, 1});
  out_.clear();
  co_return sent.has_value();
}

bool Frames::send_now() {
  const iovec part{out_.data(), out_.size()};
  const auto sent = out_.empty() ? 0 : stream_->try_write({&part, 1});
  const bool is_all = sent && *sent == out_.size();
  out_.clear();
  return is_all;
}

}  // namespace weft::bench
