// Numbers of things, as sentences have them.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace weft::base {

/// "0 instances", "1 instance", "2 instances". `noun` is one whose plural ends in s.
template <std::integral Count>
std::string counted(Count count, std::string_view noun) {
  return std::to_string(count).append(" ").append(noun).append(count == 1 ? "" : "s");
}

}  // namespace weft::base
