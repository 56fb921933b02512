#include "http/grpc/status.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "message/syntax.h"

namespace weft::http::grpc {
namespace {

constexpr std::array<std::string_view, 17> names{
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

struct Unit {
  char letter;
  base::Duration length;
};
/// From the finest up.
constexpr std::array<Unit, 6> units{{{'n', std::chrono::nanoseconds(1)},
                                     {'u', std::chrono::microseconds(1)},
                                     {'m', std::chrono::milliseconds(1)},
                                     {'S', std::chrono::seconds(1)},
                                     {'M', std::chrono::minutes(1)},
                                     {'H', std::chrono::hours(1)}}};
constexpr std::int64_t max_timeout_value = 99'999'999;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string_view to_string(Code code) { return names[static_cast<std::size_t>(code)]; }

std::string Status::to_string() const {
  std::string text(grpc::to_string(code));
  if (!message.empty()) text.append(": ").append(message);
  return text;
}

void write_status(message::Headers& trailers, const Status& status) {
  trailers.add("grpc-status", std::to_string(static_cast<int>(status.code)));
  if (!status.message.empty()) trailers.add("grpc-message", percent_encode(status.message));
}

std::optional<Status> read_status(const message::Headers& trailers) {
  auto text = trailers.find("grpc-status");
  if (!text) return std::nullopt;
  unsigned code = 0;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), code);
  if (error != std::errc{} || end != text->data() + text->size()) return std::nullopt;
  Status status{code < names.size() ? static_cast<Code>(code) : Code::unknown, {}};
  if (auto message = trailers.find("grpc-message")) status.message = percent_decode(*message);
  return status;
}

std::optional<Code> read_code(const message::Headers& trailers) {
  const auto text = trailers.find(message::FieldId::grpc_status);
  if (!text) return std::nullopt;
  unsigned code = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), code);
  constexpr auto most = static_cast<unsigned>(Code::unauthenticated);
  if (error != std::errc() || end != text->data() + text->size() || code > most) return std::nullopt;
  return static_cast<Code>(code);
}

bool is_grpc(std::string_view content_type) {
  constexpr std::string_view name = "application/grpc";
  if (!message::equals_ignore_case(content_type.substr(0, name.size()), name)) return false;
  return content_type.size() == name.size() || content_type[name.size()] == '+' ||
         content_type[name.size()] == ';';
}

bool is_of_service(Code code) {
  switch (code) {
    case Code::unknown:
    case Code::deadline_exceeded:
    case Code::unimplemented:
    case Code::internal:
    case Code::unavailable:
    case Code::data_loss: return true;
    default: return false;
  }
}

Status status_of_http(int http_status) {
  auto code = Code::unknown;
  switch (http_status) {
    case 400: code = Code::internal; break;
    case 401: code = Code::unauthenticated; break;
    case 403: code = Code::permission_denied; break;
    case 404: code = Code::unimplemented; break;
    case 429:
    case 502:
    case 503:
    case 504: code = Code::unavailable; break;
    default: break;
  }
  return {code, "HTTP status " + std::to_string(http_status)};
}

Status status_of(const ReadError& error) {
  auto code = Code::unavailable;
  switch (error.kind) {
    case ReadError::Kind::closed:
    case ReadError::Kind::truncated:
    case ReadError::Kind::unprocessed: break;
    case ReadError::Kind::io: return status_of(error.io);
    case ReadError::Kind::reset: code = Code::cancelled; break;
    case ReadError::Kind::refused: code = Code::internal; break;
  }
  return {code, error.to_string()};
}

Status status_of(runtime::IoError error) {
  return {error.code == EPROTO ? Code::internal : Code::unavailable, error.message()};
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      encoded += c;
    } else {
      auto byte = static_cast<unsigned char>(c);
      encoded += '%';
      encoded += digits[byte >> 4];
      encoded += digits[byte & 15];
    }
  }
  return encoded;
}

std::string percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    int high = i + 2 < text.size() && text[i] == '%' ? hex_digit(text[i + 1]) : -1;
    int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low >= 0) {
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

std::optional<base::Duration> parse_timeout(std::string_view text) {
  if (text.size() < 2 || text.size() > 9) return std::nullopt;
  std::int64_t value = 0;
  auto digits = text.substr(0, text.size() - 1);
  if (!std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  auto unit = std::ranges::find(units, text.back(), &Unit::letter);
  if (unit == units.end()) return std::nullopt;
  constexpr auto longest = base::Duration::max();
  if (value > longest / unit->length) return longest;
  return value * unit->length;
}

std::string format_timeout(base::Duration timeout) {
  timeout = std::max(timeout, base::Duration::zero());
  for (const auto& unit : units) {
    // Rounded up, so that no limit becomes none.
    auto value = timeout / unit.length + (timeout % unit.length != base::Duration::zero());
    if (value <= max_timeout_value) return std::to_string(value) + unit.letter;
  }
  return std::to_string(max_timeout_value) + 'H';
}

}  // namespace weft::http::grpc
