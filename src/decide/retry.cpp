#include "decide/retry.h"

#include <algorithm>

namespace weft::decide {
namespace {

/// As Envoy's back-off of retries.
constexpr std::uint32_t first_pause_ms = 25;

}  // namespace

Effect both(Effect before, Effect last) {
  if (before == Effect::possible && last == Effect::possible) return Effect::certain;
  return std::max(before, last);
}

Retry may_retry(const Failed& failed) {
  const bool can =
      failed.is_at_hand && failed.has_target && failed.has_time && failed.attempts < max_attempts;
  if (!can) return Retry::no;
  switch (failed.effect) {
    case Effect::none: return failed.attempts == 1 ? Retry::at_once : Retry::later;
    case Effect::possible:
      return failed.is_safe && failed.before == Effect::none && failed.is_within_budget ? Retry::later
                                                                                        : Retry::no;
    case Effect::certain: return Retry::no;
  }
  return Retry::no;
}

std::uint32_t pause_before_ms(std::size_t attempts) {
  return first_pause_ms << (std::clamp<std::size_t>(attempts, 1, max_attempts) - 1);
}

std::size_t retry_budget(std::size_t live) {
  constexpr std::size_t a_few = 32;
  return std::max(a_few, live / 2);
}

}  // namespace weft::decide
