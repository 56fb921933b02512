// fmt as an archive: Debian has it as a shared library only, and weft's binary is static. Its implementation
// is in its headers; this is the one place that compiles it.
#include <fmt/format-inl.h>

namespace fmt::inline v9::detail {
template auto thousands_sep_impl<char>(locale_ref) -> thousands_sep_result<char>;
template auto decimal_point_impl(locale_ref) -> char;
template auto dragonbox::to_decimal(float x) noexcept -> dragonbox::decimal_fp<float>;
template auto dragonbox::to_decimal(double x) noexcept -> dragonbox::decimal_fp<double>;
}  // namespace fmt::inline v9::detail
