// Waits between attempts that grow and are spread at random, so that many who lost one peer do not come back
// at once.
#pragma once

#include <algorithm>

#include "base/clock.h"
#include "base/random.h"

namespace weft::xds {

class Backoff {
 public:
  Backoff(base::Duration first, base::Duration max) : first_(first), max_(max), next_(first) {}
  /// The next wait: doubled each time up to the longest, a random half of it taken off.
  base::Duration next(base::Random& random) {
    auto wait = std::exchange(next_, std::min(next_ * 2, max_));
    auto half = static_cast<std::uint64_t>(wait.count() / 2);
    return base::Duration(wait.count() - static_cast<std::int64_t>(random.below(half + 1)));
  }
  void reset() { next_ = first_; }

 private:
  base::Duration first_;
  base::Duration max_;
  base::Duration next_;
};

}  // namespace weft::xds
