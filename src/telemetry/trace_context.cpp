#include "telemetry/trace_context.h"

#include <algorithm>
#include <cstring>

#include "telemetry/hex.h"

namespace weft::telemetry {
namespace {

// version "-" trace-id "-" parent-id "-" flags
constexpr std::size_t trace_id_at = 3;
constexpr std::size_t trace_id_size = 32;
constexpr std::size_t parent_id_at = 36;
constexpr std::size_t parent_id_size = 16;
constexpr std::size_t flags_at = 53;
constexpr std::size_t size = 55;

constexpr auto hex_chars = [] {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("0123456789abcdef")) table[static_cast<unsigned char>(c)] = true;
  return table;
}();
bool is_hex(char c) { return hex_chars[static_cast<unsigned char>(c)]; }

bool is_id(std::string_view id) {
  return std::ranges::all_of(id, is_hex) && id.find_first_not_of('0') != std::string_view::npos;
}

}  // namespace

bool TraceParent::is_valid(std::string_view value) {
  if (value.size() < size || value[2] != '-' || value[35] != '-' || value[52] != '-') return false;
  const auto version = value.substr(0, 2);
  if (!std::ranges::all_of(version, is_hex) || version == "ff") return false;
  if (version == "00" ? value.size() != size : value.size() > size && value[size] != '-') return false;
  return is_id(value.substr(trace_id_at, trace_id_size)) &&
         is_id(value.substr(parent_id_at, parent_id_size)) &&
         std::ranges::all_of(value.substr(flags_at, 2), is_hex);
}

TraceParent TraceParent::started(base::Random& random) {
  TraceParent parent;
  auto* const text = parent.text_.data();
  // Ids that are all zero are invalid; one bit that is always set keeps them from it.
  const auto trace_id_high = hex_digits(random.next());
  const auto trace_id_low = hex_digits(random.next() | 1);
  const auto parent_id = hex_digits(random.next() | 1);
  std::memcpy(text, "00-", 3);
  std::memcpy(text + trace_id_at, trace_id_high.data(), trace_id_size / 2);
  std::memcpy(text + trace_id_at + trace_id_size / 2, trace_id_low.data(), trace_id_size / 2);
  text[trace_id_at + trace_id_size] = '-';
  std::memcpy(text + parent_id_at, parent_id.data(), parent_id_size);
  std::memcpy(text + parent_id_at + parent_id_size, "-00", 3);
  return parent;
}

}  // namespace weft::telemetry
