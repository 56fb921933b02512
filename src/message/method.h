// Request methods and what RFC 9110, 9.2 says about them.
#pragma once

#include <cstdint>
#include <string_view>

namespace weft::message {

/// `other` stands for every further token; its text is kept in the head.
enum class Method : std::uint8_t { get, head, post, put, delete_, connect, options, trace, patch, other };

/// "GET" and so on; empty for `other`.
std::string_view to_string(Method method);
/// By exact text: methods are case-sensitive (RFC 9110, 9.1).
Method parse_method(std::string_view text);

/// GET, HEAD, OPTIONS, TRACE: asks for no change.
bool is_safe(Method method);
/// The safe ones, PUT and DELETE: sending it twice means the same as once.
bool is_idempotent(Method method);

}  // namespace weft::message
