// How long to wait before a process of weft's own that ended is started again.
#pragma once

#include <algorithm>

#include "base/clock.h"

namespace weft::provider::process {

/// Nothing after the first end, then more and more while it keeps dying young.
class RestartPause {
 public:
  /// After a run of this length.
  base::Duration next(base::Duration lived) {
    if (lived >= well_after) pause_ = {};
    const auto pause = pause_;
    pause_ = std::clamp<base::Duration>(pause_ * 2, first, longest);
    return pause;
  }

 private:
  /// One that lived so long is well: its next end is the first again.
  static constexpr auto well_after = std::chrono::seconds(10);
  static constexpr auto first = std::chrono::milliseconds(100);
  static constexpr auto longest = std::chrono::seconds(10);

  base::Duration pause_{};
};

}  // namespace weft::provider::process
