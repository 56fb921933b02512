// Signals as things to wait for.
#pragma once

#include <initializer_list>

#include "runtime/fd.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace weft::runtime {

/// Blocks the given signals in this thread (make it before other threads) and delivers them through next().
/// SIGPIPE and SIGXFSZ are ignored from then on.
class Signals {
 public:
  Signals(Reactor& reactor, std::initializer_list<int> signals);
  /// The number of the next one.
  Task<int> next();

 private:
  Reactor& reactor_;
  Fd fd_;
};

}  // namespace weft::runtime
