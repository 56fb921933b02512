// The nearest real name to one that does not exist, for error messages.
#pragma once

#include <span>
#include <string_view>

namespace weft::base {

/// The candidate with the smallest edit distance (optimal string alignment, case folded), empty if none is
/// near (more than a third of the longer name away, unless `name` is a candidate with something appended, as
/// "cart-deployment" is of "cart"). Ties go to the first.
std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace weft::base
