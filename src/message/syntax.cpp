#include "message/syntax.h"

#include <algorithm>

#include "message/scan.h"

namespace weft::message {
bool is_token(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_token_char); }

bool is_field_value(std::string_view text) { return find_control(text, 0) == text.size(); }

bool equals_ignore_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && ascii_lower(a[i]) != ascii_lower(b[i])) return false;
  }
  return true;
}

bool next_member(std::string_view& list, std::string_view& member) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    member = trim(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (!member.empty()) return true;
  }
  return false;
}

bool has_member(std::string_view list, std::string_view token) {
  std::string_view member;
  while (next_member(list, member)) {
    if (equals_ignore_case(member, token)) return true;
  }
  return false;
}

}  // namespace weft::message
