// Tasks together: both, all, the first, or one within a time limit; and values handed from one task to
// another.
#pragma once

#include <deque>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/reactor.h"
#include "runtime/scope.h"
#include "runtime/task.h"

namespace weft::runtime {

/// Suspends until the Readiness is notified. One waiter at a time.
class Wait final : public Waiter {
 public:
  explicit Wait(Readiness& readiness) : readiness_(readiness) {}
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;
  ~Wait() { readiness_.cancel(*this); }
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    handle_ = handle;
    readiness_.wait(*this);
  }
  void await_resume() const {}
  void wake() override { handle_.resume(); }

 private:
  Readiness& readiness_;
  std::coroutine_handle<> handle_;
};

/// A flag that any number of tasks may wait for; it stays set until clear(). It must outlive its set().
class Event {
 public:
  bool is_set() const { return set_; }
  void set();
  void clear() { set_ = false; }
  /// Wakes those who wait now and leaves the flag as it is: for "something changed, look again".
  void pulse();
  /// Ends when the flag is set (at once if it is), even if it is cleared right after.
  auto wait() { return Waiting(*this); }

 private:
  class Waiting final : public Waiter {
   public:
    explicit Waiting(Event& event) : event_(event) {}
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting() { std::erase(event_.waiting_, this); }
    bool await_ready() const { return event_.set_; }
    void await_suspend(std::coroutine_handle<> handle) {
      handle_ = handle;
      event_.waiting_.push_back(this);
    }
    void await_resume() const {}
    void wake() override { handle_.resume(); }

   private:
    Event& event_;
    std::coroutine_handle<> handle_;
  };
  bool set_ = false;
  std::vector<Waiter*> waiting_;
};

/// Ends when `event` is set: for what follows. `event` must outlive it.
inline Task<void> until(Event& event) { co_await event.wait(); }

/// The result of `task`, or nothing once `limit` has passed; it is cancelled then.
template <class T>
Task<std::optional<T>> within(Reactor& reactor, base::Duration limit, Task<T> task);

/// Runs `task`; false if `limit` passed first and it was cancelled.
Task<bool> within(Reactor& reactor, base::Duration limit, Task<void> task);

/// Runs both until one ends, cancels the other; 0 or 1 says which ended first.
Task<int> first(Task<void> a, Task<void> b);

/// The result of `task`, or nothing once `end` has ended; the other is cancelled.
template <class T>
Task<std::optional<T>> unless(Task<void> end, Task<T> task);

/// Runs all of them beside each other to their ends.
Task<void> all(std::vector<Task<void>> tasks);

/// An unbounded queue between tasks of one thread. pop() has one waiter at a time.
template <class T>
class Queue {
 public:
  void push(T value) {
    values_.push_back(std::move(value));
    ready_.notify();
  }
  /// Ends all waiting and coming pops with nothing, once what is queued has been taken.
  void close() {
    closed_ = true;
    ready_.notify();
  }
  bool empty() const { return values_.empty(); }
  std::size_t size() const { return values_.size(); }
  Task<std::optional<T>> pop() {
    while (values_.empty()) {
      if (closed_) co_return std::nullopt;
      co_await Wait(ready_);
    }
    std::optional<T> value(std::move(values_.front()));
    values_.pop_front();
    co_return value;
  }

 private:
  std::deque<T> values_;
  bool closed_ = false;
  Readiness ready_;
};

// Implementation.

namespace detail {

template <class T>
Task<void> store(Task<T> task, std::optional<T>* into) {
  into->emplace(co_await std::move(task));
}

}  // namespace detail

template <class T>
Task<std::optional<T>> within(Reactor& reactor, base::Duration limit, Task<T> task) {
  std::optional<T> result;
  co_await within(reactor, limit, detail::store(std::move(task), &result));
  co_return result;
}

template <class T>
Task<std::optional<T>> unless(Task<void> end, Task<T> task) {
  std::optional<T> result;
  co_await first(detail::store(std::move(task), &result), std::move(end));
  co_return result;
}

}  // namespace weft::runtime
