// What weft's own processes say about themselves: one line an event on stderr, "2026-01-31T08:00:00.000000Z
// info room: text".
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>

namespace weft::runtime::log {

enum class Level { debug, info, warning, error };

void set_level(Level level);
Level level();
std::optional<Level> parse_level(std::string_view name);

/// `room` is the part that speaks ("proxy", "reconcile"). What `text` quotes cannot end the line nor act on a
/// terminal (base::printable).
void write(Level level, std::string_view room, std::string_view text);

template <class... Args>
void debug(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  if (level() <= Level::debug) write(Level::debug, room, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  if (level() <= Level::info) write(Level::info, room, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  if (level() <= Level::warning)
    write(Level::warning, room, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  write(Level::error, room, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace weft::runtime::log
