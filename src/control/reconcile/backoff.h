// How long to wait before an instance that ended is started again.
#pragma once

#include <algorithm>

#include "base/clock.h"
#include "control/reconcile/limits.h"

namespace weft::control::reconcile {

class Backoff {
 public:
  /// The pause after a run of length `ran`: doubled with each short run, anew after a long one.
  base::Duration next(base::Duration ran) {
    if (ran >= restart_backoff_reset) failures_ = 0;
    const auto pause = std::min<base::Duration>(restart_backoff_first * (1 << std::min(failures_, 16)),
                                                restart_backoff_most);
    ++failures_;
    return pause;
  }

 private:
  int failures_ = 0;
};

}  // namespace weft::control::reconcile
