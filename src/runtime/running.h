// Running: a task that has been started and tells somebody when it ends. What Scope and the combinations
// stand on.
#pragma once

#include <coroutine>
#include <utility>

#include "runtime/frame_pool.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace weft::runtime {

/// Owns a started task. When it ends, `done.wake()` is called with the task already suspended, so that the
/// owner may destroy it from there.
class Running {
 public:
  Running() = default;
  /// start() runs it; kept apart so that the owner can be in place before the task can end.
  Running(Task<void> task, Waiter& done) : handle_(run(std::move(task), done).handle) {}
  Running(Running&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Running& operator=(Running&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Running() { reset(); }

  void start() { handle_.resume(); }
  void reset() noexcept {
    if (auto handle = std::exchange(handle_, {})) handle.destroy();
  }

 private:
  struct Coroutine {
    struct promise_type {
      promise_type(Task<void>&, Waiter& waiter) : done(waiter) {}
      static void* operator new(std::size_t size) { return allocate_frame(size); }
      static void operator delete(void* frame, std::size_t size) noexcept { release_frame(frame, size); }
      Coroutine get_return_object() noexcept {
        return {std::coroutine_handle<promise_type>::from_promise(*this)};
      }
      std::suspend_always initial_suspend() const noexcept { return {}; }
      struct Final {
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<promise_type> ended) const noexcept {
          ended.promise().done.wake();
        }
        void await_resume() const noexcept {}
      };
      Final final_suspend() const noexcept { return {}; }
      void return_void() const noexcept {}
      [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
      Waiter& done;
    };
    std::coroutine_handle<promise_type> handle;
  };
  static Coroutine run(Task<void> task, Waiter&) { co_await std::move(task); }

  std::coroutine_handle<> handle_;
};

}  // namespace weft::runtime
