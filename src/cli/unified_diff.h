// Two texts as `diff -u` compares them.
#pragma once

#include <string>
#include <string_view>

#include "cli/terminal.h"

namespace weft::cli {

/// Lines around a change that do not change: those of `diff -u`.
constexpr std::size_t context_lines = 3;

/// The unified format (POSIX.1-2017, diff, "Diff -u Output Format") under the names of both; empty if they
/// are the same.
Shown unified_diff(std::string_view before, std::string_view after, std::string_view before_name,
                   std::string_view after_name, bool colour);

}  // namespace weft::cli
