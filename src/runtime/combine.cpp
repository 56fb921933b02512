#include "runtime/combine.h"

#include "runtime/running.h"

namespace weft::runtime {
namespace {

/// Runs up to two tasks and a timer until the first of them ends; awaiting gives its index (2: the timer).
class FirstOf final {
 public:
  FirstOf(Task<void> a, Task<void> b) : a_(*this, 0), b_(*this, 1) {
    a_.running = Running(std::move(a), a_);
    if (b) b_.running = Running(std::move(b), b_);
    has_b_ = true;
  }
  FirstOf(Reactor& reactor, base::MonoTime limit, Task<void> a) : a_(*this, 0), b_(*this, 1), limit_(limit) {
    a_.running = Running(std::move(a), a_);
    timer_.emplace(reactor, b_);
  }
  FirstOf(const FirstOf&) = delete;
  FirstOf& operator=(const FirstOf&) = delete;

  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<> handle) {
    starting_ = true;
    a_.running.start();
    if (index_ < 0 && has_b_) b_.running.start();
    starting_ = false;
    if (index_ >= 0) return false;
    if (timer_) timer_->set(limit_);
    handle_ = handle;
    return true;
  }
  int await_resume() {
    timer_.reset();
    a_.running.reset();
    b_.running.reset();
    return index_;
  }

 private:
  struct Side final : Waiter {
    Side(FirstOf& owner, int number) : both(owner), index(number) {}
    void wake() override {
      if (both.index_ >= 0) return;
      both.index_ = index;
      if (!both.starting_) both.handle_.resume();
    }
    FirstOf& both;
    int index;
    Running running;
  };

  Side a_;
  Side b_;
  bool has_b_ = false;
  bool starting_ = false;
  int index_ = -1;
  base::MonoTime limit_{};
  std::optional<Timer> timer_;
  std::coroutine_handle<> handle_;
};

}  // namespace

void Event::set() {
  set_ = true;
  pulse();
}

void Event::pulse() {
  // One at a time: who is woken may cancel others. Counted: who is woken may clear the flag and wait again.
  for (auto count = waiting_.size(); count > 0 && !waiting_.empty(); --count) {
    auto* waiter = waiting_.front();
    waiting_.erase(waiting_.begin());
    waiter->wake();
  }
}

Task<bool> within(Reactor& reactor, base::Duration limit, Task<void> task) {
  co_return co_await FirstOf(reactor, reactor.clock().now() + limit, std::move(task)) == 0;
}

Task<int> first(Task<void> a, Task<void> b) { co_return co_await FirstOf(std::move(a), std::move(b)); }

Task<void> all(std::vector<Task<void>> tasks) {
  Scope scope;
  for (auto& task : tasks) scope.spawn(std::move(task));
  co_await scope.join();
}

}  // namespace weft::runtime
