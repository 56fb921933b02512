// --timeout: a limit on the whole of a command, from its start to its end.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/clock.h"

namespace weft::cli {

struct TimeLimit {
  /// What --timeout said.
  base::Duration total{};
  base::MonoTime end;
};

/// What a command whose limit is over may still take to find out why, if its mesh answers.
constexpr auto last_words = std::chrono::seconds(1);

/// `longest`, or what is left of the limit if that is less: the time for one step.
inline base::Duration within_limit(const std::optional<TimeLimit>& limit, base::MonoTime now,
                                   base::Duration longest) {
  if (!limit) return longest;
  return std::clamp<base::Duration>(limit->end - now, base::Duration::zero(), longest);
}

}  // namespace weft::cli
