// Text of others for people's terminals: what a terminal would obey is shown instead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weft::base {

/// What becomes of line ends and tabs.
enum class Breaks : std::uint8_t { escape, keep };

/// `text` with everything escaped that acts on a terminal or misleads its reader: control characters (C0, DEL
/// and C1), those that turn the direction or the line, and those that are not seen, by which two names that
/// look alike differ (zero-width and other ignorable characters, tags, variation selectors; of texts that
/// need them, such as some emoji, the parts show) as \u001b; line ends and tabs as \n, \r and \t unless kept
/// (\r never is), bytes that are not UTF-8 as \xff. Text without such is unchanged, so that doing it twice
/// does no harm; and within a string of JSON or of YAML in double quotes it is the same string.
std::string printable(std::string_view text, Breaks breaks = Breaks::escape);

/// The length in bytes of the well-formed UTF-8 sequence at `at`, 0 if it is malformed (RFC 3629, 4).
std::size_t sequence_length(std::string_view text, std::size_t at);

/// The code point of one well-formed sequence.
char32_t code_point(std::string_view sequence);

/// `text` itself if it has at most `most` bytes; else its beginning and end around "...", whole characters.
std::string shortened(std::string_view text, std::size_t most);

}  // namespace weft::base
