#include "message/patch.h"

#include <algorithm>

#include "message/syntax.h"

namespace weft::message {

void Patch::leave_out(std::string_view name) {
  const auto id = identify_field(name);
  if (id != FieldId::other) {
    leave_out(id);
  } else {
    other_names_.push_back(name);
  }
}

void Patch::leave_out_what_connection_names(const Headers& headers) {
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
