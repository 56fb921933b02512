#include "message/method.h"

#include <array>

namespace weft::message {
namespace {

constexpr std::array<std::string_view, 10> names{"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                                 "CONNECT", "OPTIONS", "TRACE", "PATCH", ""};

}  // namespace

std::string_view to_string(Method method) { return names[static_cast<std::size_t>(method)]; }

Method parse_method(std::string_view text) {
  for (std::size_t i = 0; i + 1 < names.size(); ++i) {
    if (names[i] == text) return static_cast<Method>(i);
  }
  return Method::other;
}

bool is_safe(Method method) {
  switch (method) {
    case Method::get:
    case Method::head:
    case Method::options:
    case Method::trace: return true;
    case Method::post:
    case Method::put:
    case Method::delete_:
    case Method::connect:
    case Method::patch:
    case Method::other: return false;
  }
  return false;
}

bool is_idempotent(Method method) {
  return is_safe(method) || method == Method::put || method == Method::delete_;
}

}  // namespace weft::message
