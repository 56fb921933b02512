#include "message/patch.h"

#include <algorithm>

#include "message/syntax.h"

namespace weft::message {

void Patch::clear() {
  left_out_ = 0;
  other_names_.clear();
  added.clear();
}

void Patch::leave_out(std::string_view name) {
  const auto id = identify_field(name);
  if (id != FieldId::other) {
    leave_out(id);
  } else {
    other_names_.push_back(name);
  }
}

void Patch::leave_out_hop_by_hop(const Headers& headers) {
  constexpr auto hop_by_hop = Headers::bit(FieldId::connection) | Headers::bit(FieldId::http2_settings) |
                              Headers::bit(FieldId::keep_alive) | Headers::bit(FieldId::proxy_connection) |
                              Headers::bit(FieldId::te) | Headers::bit(FieldId::transfer_encoding) |
                              Headers::bit(FieldId::upgrade);
  left_out_ |= hop_by_hop;
  if (!headers.has(FieldId::connection)) return;
  for (const auto& field : headers) {
    if (field.id != FieldId::connection) continue;
    auto options = field.value;
    std::string_view name;
    while (next_member(options, name)) {
      if (!equals_ignore_case(name, "close")) leave_out(name);
    }
  }
}

bool Patch::is_named(std::string_view name) const {
  return std::ranges::any_of(other_names_, [&](auto one) { return equals_ignore_case(one, name); });
}

}  // namespace weft::message
