// How much of a terminal's line a text takes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weft::base {

/// The columns of a UTF-8 text of one line as terminals draw it: two for each wide character of East Asia and
/// each emoji, none for what is drawn over the character before it, one for everything else.
std::size_t columns_of(std::string_view text);

/// `text` itself if it has at most so many columns, else its beginning and "…" in no more than those.
std::string cut_to(std::string_view text, std::size_t columns);

}  // namespace weft::base
