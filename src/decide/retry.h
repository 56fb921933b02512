// Whether a request that was not answered is sent again: pure, told as a table.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::decide {

/// What a service may have done for a request that it did not answer, as far as the proxy can know.
enum class Effect : std::uint8_t {
  none,      // it has got nothing of it
  possible,  // it may have got it
  certain,   // it has read all of it, or answered, or may have got it twice
};

/// Of attempts whose effects were these: what is possible twice may have been done twice.
Effect both(Effect before, Effect last);

/// Most endpoints that one request is sent to, or that are tried for one opaque connection. A few, so that
/// one instance after the other may die, and bounded, so that a dead service is not hammered.
inline constexpr std::size_t max_attempts = 4;

/// A request whose attempts have failed so far.
struct Failed {
  /// Of the last attempt, and of those before.
  Effect effect = Effect::none;
  Effect before = Effect::none;
  /// Made so far, 1 or more.
  std::size_t attempts = 1;
  /// It asks for nothing to be done (RFC 9110, 9.2.1): GET, HEAD, OPTIONS.
  bool is_safe = false;
  /// All of it that was read of the client is at hand.
  bool is_at_hand = true;
  /// There is another endpoint, or another way to the same.
  bool has_target = true;
  /// Its time is not over.
  bool has_time = true;
  /// Its cluster's share of retries is not used up.
  bool is_within_budget = true;
};

enum class Retry : std::uint8_t {
  no,
  at_once,  // the first time, elsewhere
  later,    // after pause_before()
};

/// A request is sent again if it surely had no effect; or, once, if that is possible and nothing is asked to
/// be done, within the cluster's budget. Never if it surely had one.
Retry may_retry(const Failed& failed);

/// The longest pause before the attempt that follows `attempts`, in milliseconds: the pause is drawn evenly
/// from zero up to it, so that those who failed together do not come back together.
std::uint32_t pause_before_ms(std::size_t attempts);

/// Most requests of a cluster on one worker that are under way once more after a possible effect, while
/// `live` are in all: half, so that what one of two endpoints had under way when it died can go to the other;
/// or a few, where there is little traffic. Beyond it a service in trouble would be given more than it can
/// bear.
std::size_t retry_budget(std::size_t live);

}  // namespace weft::decide
