#include "runtime/log.h"

#include <atomic>
#include <cstdio>

#include "base/clock.h"
#include "base/printable.h"

namespace weft::runtime::log {
namespace {

std::atomic<Level> least = Level::info;

std::string_view word(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warning: return "warning";
    case Level::error: return "error";
  }
  return {};
}

}  // namespace

void set_level(Level level) { least = level; }
Level level() { return least; }

std::optional<Level> parse_level(std::string_view name) {
  for (const auto level : {Level::debug, Level::info, Level::warning, Level::error}) {
    if (word(level) == name) return level;
  }
  return std::nullopt;
}

void write(Level level, std::string_view room, std::string_view text) {
  const auto line = fmt::format("{} {} {}: {}\n", base::format_rfc3339_micro(base::system_clock().wall()),
                                word(level), room, base::printable(text));
  // One call, so that the lines of several threads do not mix: stderr has no buffer.
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace weft::runtime::log
