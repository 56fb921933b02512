#include "base/origin.h"

#include <fmt/format.h>

namespace weft::base {

std::string Origin::to_string() const {
  if (kind.empty()) return {};
  auto text = fmt::format("{} {}{}{}", kind, ns, ns.empty() ? "" : "/", name);
  if (!field.empty()) text += " " + field;
  return text;
}

}  // namespace weft::base
