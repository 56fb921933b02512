// Heads and trailers as HTTP/2 fields and back.
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <string_view>
#include <vector>

#include "message/content.h"
#include "message/head.h"
#include "message/patch.h"

namespace weft::http::h2 {

/// A head's fields, which point into it and into this: valid until either changes. Names are lowered by
/// nghttp2. Pseudo-fields come first. What belongs to one connection only is left out (RFC 9113, 8.2.2), and
/// what the patch says; Content-Length comes from the Content alone. `TE: trailers` stays, for trailers do.
class Fields {
 public:
  /// `protocol`: that of an extended CONNECT (RFC 8441, 4), which such a head asks to change to; else empty.
  void set(const message::RequestHead& head, const message::Content& content, const message::Patch& patch,
           std::string_view protocol = {});
  /// A 101 is a 200 here (RFC 8441, 5).
  void set(const message::ResponseHead& head, const message::Content& content, const message::Patch& patch);
  void set(const message::Headers& trailers);
  const nghttp2_nv* data() const { return fields_.data(); }
  std::size_t size() const { return fields_.size(); }

 private:
  /// Without a place in the peer's table if it `is_passing`: one value is never that of the next message.
  void put(std::string_view name, std::string_view value, bool is_passing = false);
  void put(const message::Headers& headers, const message::Patch& patch, bool with_host);
  void put_length(const message::Content& content);

  std::vector<nghttp2_nv> fields_;
  /// What is put changes the protocol.
  bool opens_tunnel_ = false;
  std::array<char, 3> status_{};
  std::array<char, 20> length_{};  // the digits of 64 bits
};

/// Puts one received field into a head; nghttp2 has checked that it is allowed there. What the head is as a
/// whole, message::validate() tells: a Host that is another one than :authority stands there as a second.
void take_field(message::RequestHead& head, std::string_view name, std::string_view value);
void take_field(message::ResponseHead& head, std::string_view name, std::string_view value);
/// Makes one field of the many that a client may split Cookie into (RFC 9113, 8.2.3).
void join_cookies(message::Headers& headers);

}  // namespace weft::http::h2
