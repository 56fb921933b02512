// Scope: owns the tasks that run beside each other; when it goes, so do they. There is no detached work.
#pragma once

#include <cstddef>
#include <list>

#include "runtime/reactor.h"
#include "runtime/running.h"
#include "runtime/task.h"

namespace weft::runtime {

class Scope {
 public:
  Scope() = default;
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() = default;

  /// Starts `task` now (it runs until its first suspension) and owns it until it ends.
  void spawn(Task<void> task);
  /// Cancels all of them. Not from within one of them.
  void cancel() { children_.clear(); }
  /// Ends when no task is left. One waiter at a time.
  Task<void> join();
  std::size_t size() const { return children_.size(); }

 private:
  /// One task; at its end it takes itself off the list.
  struct Child final : Waiter {
    explicit Child(Scope& owner) : scope(owner) {}
    void wake() override;
    Scope& scope;
    std::list<Child>::iterator self;
    Running running;
  };

  std::list<Child> children_;
  Readiness empty_;
};

}  // namespace weft::runtime
