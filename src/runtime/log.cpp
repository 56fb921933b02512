#include "runtime/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>

#include "base/clock.h"

namespace weft::runtime::log {
namespace {

std::atomic<Level> least = Level::info;

spdlog::logger& sink() {
  static const auto logger = [] {
    auto made = spdlog::stderr_logger_mt("weft");
    made->set_pattern("%v");
    made->set_level(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

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
  sink().log(spdlog::level::info, "{} {} {}: {}", base::format_rfc3339_micro(base::system_clock().wall()),
             word(level), room, text);
  sink().flush();
}

}  // namespace weft::runtime::log
