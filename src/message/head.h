// Heads of requests and responses as values, free of how they looked on the wire.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "message/headers.h"
#include "message/method.h"

namespace weft::message {

enum class Version : std::uint8_t { http_1_0, http_1_1, http_2 };

/// "HTTP/1.1" and so on.
std::string_view to_string(Version version);

/// A request's head. Its authority is the value of the field Host, and of nothing else: a parser puts the
/// authority of an absolute-form or CONNECT target there.
struct RequestHead {
  Method method = Method::get;
  /// The text of a method that is Method::other, else empty.
  std::string other_method;
  /// Origin-form (path and query), or "*" for OPTIONS; empty for CONNECT, whose target is the authority.
  std::string target = "/";
  Version version = Version::http_1_1;
  Headers headers;

  std::string_view method_text() const { return method == Method::other ? other_method : to_string(method); }
  void set_method(std::string_view text);
  /// The target up to its "?", as sent (not decoded).
  std::string_view path() const;
  /// What follows the first "?", as sent; empty if there is none.
  std::string_view query() const;
  /// host or host:port; empty if the request has none (HTTP/1.0).
  std::string_view authority() const { return headers.find(FieldId::host).value_or(std::string_view{}); }
  /// Back to a GET without a target and fields, memory kept.
  void clear();
};

struct ResponseHead {
  int status = 200;
  /// As sent; a writer puts the standard phrase if it is empty.
  std::string reason;
  Version version = Version::http_1_1;
  Headers headers;

  /// 1xx other than 101: another head follows.
  bool is_interim() const { return status < 200 && status != 101; }
  void clear();
};

/// The standard phrase of a status ("Not Found"), "Unknown" for others.
std::string_view reason_phrase(int status);

}  // namespace weft::message
