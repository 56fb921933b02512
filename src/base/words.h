// A command line in one text, as a POSIX shell would read it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::base {

/// Splits at blanks; '...' and "..." keep blanks, \ takes the next character as it is (within "..." only
/// before " and \). No variables, no wildcards. Nothing if a quote or a last \ has no end.
std::optional<std::vector<std::string>> split_words(std::string_view text);

/// Whether a shell does more with it than to split it: several commands, a redirection, a variable, a
/// wildcard (POSIX.1-2017, Shell Command Language, 2.2). $(NAME) in capitals is a variable that weft itself
/// fills in.
bool needs_shell(std::string_view text);

}  // namespace weft::base
