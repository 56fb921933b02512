// Strict, incremental parsing of HTTP/1.1 heads (RFC 9112), line by line as bytes arrive; and how a head
// frames its body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "message/content.h"
#include "message/head.h"
#include "message/refusal.h"
#include "message/scan.h"

namespace weft::http::h1 {

using message::describe;
using message::Refusal;
using message::status_of;
using message::to_string;

/// How a body is delimited (RFC 9112, 6.3).
struct Framing {
  enum class Kind : std::uint8_t { none, length, chunked, until_close };
  Kind kind = Kind::none;
  /// Of a body by length.
  std::uint64_t length = 0;
  /// A Content-Length without a body (the answer to HEAD, a 304), to be passed on.
  std::optional<std::uint64_t> announced;

  friend bool operator==(const Framing&, const Framing&) = default;
  static Framing of_length(std::uint64_t length) { return {Kind::length, length, {}}; }
  static Framing chunked() { return {Kind::chunked, 0, {}}; }
  static Framing until_close() { return {Kind::until_close, 0, {}}; }
  /// Of a body that is that long; one of unknown length is delimited as `unknown` says.
  static Framing of(const message::Content& content, Kind unknown) {
    switch (content.kind) {
      case message::Content::Kind::none: return {Kind::none, 0, content.announced};
      case message::Content::Kind::length: return of_length(content.length);
      case message::Content::Kind::unknown: break;
    }
    return {unknown, 0, {}};
  }
  /// How long the body is.
  message::Content content() const {
    using Content = message::Content;
    switch (kind) {
      case Kind::none: return {Content::Kind::none, 0, announced};
      case Kind::length: return Content::of_length(length);
      case Kind::chunked:
      case Kind::until_close: break;
    }
    return Content::unknown();
  }
  /// Surely no body follows.
  bool is_empty() const { return kind == Kind::none || (kind == Kind::length && length == 0); }
};

/// Takes lines off bytes that arrive over time. A line ends with CRLF and has no control byte but tab.
class LineScanner {
 public:
  /// Goes to the next line; false if it is not complete. `bytes` are those of the last call and more (they
  /// may move between calls).
  std::expected<bool, Refusal> next(std::string_view bytes) {
    const auto end = message::find_control(bytes, scanned_);
    // The usual line is taken here, where this is compiled into its caller.
    if (end + 1 >= bytes.size() || bytes[end] != '\r' || bytes[end + 1] != '\n') return unusual(bytes, end);
    line_ = position_;
    position_ = scanned_ = end + 2;
    return true;
  }
  /// That line, without its CRLF.
  std::string_view line(std::string_view bytes) const {
    return {bytes.data() + line_, position_ - 2 - line_};
  }
  /// Where the next line begins.
  std::size_t position() const { return position_; }
  /// Ready for other bytes, whose first line begins at `from`.
  void reset(std::size_t from = 0) {
    position_ = from;
    scanned_ = from;
  }

 private:
  std::expected<bool, Refusal> unusual(std::string_view bytes, std::size_t end);

  std::size_t line_ = 0;
  std::size_t position_ = 0;
  std::size_t scanned_ = 0;  // no line ends before this
};

/// Adds to `into` the fields of the lines up to and with the empty one, which they share with the trailer of
/// a chunked body. True at the empty line; false if more bytes are needed. Their text is at its place in
/// `bytes` (Headers::hold).
std::expected<bool, Refusal> parse_fields(LineScanner& lines, std::string_view bytes, message::Headers& into);

/// One request head after the other. A head that comes out is valid as a whole: its target is in the form
/// that message::RequestHead names, Host is there, once and a host (but for HTTP/1.0, which may have none),
/// and the framing is not ambiguous. For an absolute-form target Host has been replaced by its authority.
class RequestParser {
 public:
  /// `bytes`: all that arrived from the head's first byte on (they may move between calls). The size of the
  /// head once it is complete, with `into` and framing() filled; nothing if more bytes are needed. After an
  /// error, which leaves `into` without fields, or a whole head call reset(). Errors are found as early as
  /// their line is complete. One empty line before the head is passed over.
  std::expected<std::optional<std::size_t>, Refusal> parse(std::string_view bytes,
                                                           message::RequestHead& into);
  const Framing& framing() const { return framing_; }
  void reset();

 private:
  std::expected<std::optional<std::size_t>, Refusal> parse_head(std::string_view bytes,
                                                                message::RequestHead& into);
  std::expected<bool, Refusal> parse_first_line(std::string_view bytes, message::RequestHead& into);

  LineScanner lines_;
  bool have_first_line_ = false;
  std::string authority_;  // of an absolute-form or CONNECT target
  Framing framing_;
};

class ResponseParser {
 public:
  /// As RequestParser::parse; `request` is the method that this answers, on which the framing depends.
  std::expected<std::optional<std::size_t>, Refusal> parse(std::string_view bytes,
                                                           message::ResponseHead& into,
                                                           message::Method request);
  const Framing& framing() const { return framing_; }
  void reset();

 private:
  std::expected<std::optional<std::size_t>, Refusal> parse_head(std::string_view bytes,
                                                                message::ResponseHead& into,
                                                                message::Method request);

  LineScanner lines_;
  bool have_first_line_ = false;
  Framing framing_;
};

/// How the body is delimited of a response to `request` whose fields declare it so (RFC 9112, 6.3).
Framing response_framing(const Framing& declared, int status, message::Method request);

/// Whether the connection may carry another message after this one (RFC 9112, 9.3): by version and Connection
/// field.
bool keeps_alive(message::Version version, const message::Headers& headers);
/// Whether the client waits for "100 Continue" before it sends its body.
bool expects_continue(const message::RequestHead& head, const Framing& framing);

}  // namespace weft::http::h1
