// Scope: owns the tasks that run beside each other; when it goes, so do they. There is no detached work.
#pragma once

#include <cstddef>
#include <utility>

#include "base/intrusive_list.h"
#include "runtime/reactor.h"
#include "runtime/running.h"
#include "runtime/task.h"

namespace weft::runtime {

class Scope {
 public:
  Scope() = default;
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() { cancel(); }

  /// Starts `task` now (it runs until its first suspension) and owns it until it ends.
  void spawn(Task<void> task);
  /// Cancels all of them. Not from within one of them.
  void cancel() {
    while (!children_.empty()) drop(children_.front());
  }
  /// Ends when no task is left. One waiter at a time.
  Task<void> join();
  std::size_t size() const { return size_; }

 private:
  /// One task, from its start to its end.
  struct Child final : Waiter, base::Link<Child> {
    Child(Scope& owner, Task<void> task) : scope(owner), running(std::move(task), *this) {}
    void wake() override;
    Scope& scope;
    Running running;
  };
  void drop(Child& child);

  base::IntrusiveList<Child> children_;
  std::size_t size_ = 0;
  Readiness empty_;
};

}  // namespace weft::runtime
