// The reactor: one thread's loop over readiness (epoll), timers and work posted from other threads.
#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "runtime/error.h"
#include "runtime/task.h"

namespace weft::runtime {

class Reactor;

/// Something that waits to be woken once: a suspended coroutine or a timer's owner.
class Waiter {
 public:
  virtual void wake() = 0;

 protected:
  ~Waiter() = default;
};

/// A Waiter that calls one function of its owner, which outlives it.
template <class Owner, void (Owner::*action)()>
class Hook final : public Waiter {
 public:
  explicit Hook(Owner& owner) : owner_(owner) {}
  void wake() override { (owner_.*action)(); }

 private:
  Owner& owner_;
};

/// One place where at most one Waiter waits, such as "this socket is readable".
class Readiness {
 public:
  void wait(Waiter& waiter) { waiter_ = &waiter; }
  void cancel(Waiter& waiter) {
    if (waiter_ == &waiter) waiter_ = nullptr;
  }
  /// Wakes who waits, if anybody; the waiter may wait again from within.
  void notify() {
    if (auto* waiter = std::exchange(waiter_, nullptr)) waiter->wake();
  }

 private:
  Waiter* waiter_ = nullptr;
};

/// Calls its owner once at a time that can be moved; cancelled by destruction.
class Timer {
 public:
  Timer(Reactor& reactor, Waiter& owner) : reactor_(reactor), owner_(owner) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { cancel(); }

  void set(base::MonoTime at);
  void cancel();
  bool is_set() const { return slot_ != not_set; }
  base::MonoTime at() const { return at_; }

 private:
  friend class Reactor;
  static constexpr std::size_t not_set = static_cast<std::size_t>(-1);
  Reactor& reactor_;
  Waiter& owner_;
  base::MonoTime at_;
  std::size_t slot_ = not_set;  // its place in the reactor's heap
};

/// Calls its owner once, soon: after what runs now has returned to the loop. Cancelled by destruction.
class Soon {
 public:
  Soon(Reactor& reactor, Waiter& owner) : reactor_(reactor), owner_(owner) {}
  Soon(const Soon&) = delete;
  Soon& operator=(const Soon&) = delete;
  ~Soon() { cancel(); }

  void set();
  void cancel();

 private:
  friend class Reactor;
  Reactor& reactor_;
  Waiter& owner_;
  bool is_set_ = false;
};

/// `co_await reactor.sleep(duration)`.
class Sleep final : public Waiter {
 public:
  Sleep(Reactor& reactor, base::MonoTime at) : timer_(reactor, *this), at_(at) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    handle_ = handle;
    timer_.set(at_);
  }
  void await_resume() const {}
  void wake() override { handle_.resume(); }

 private:
  Timer timer_;
  base::MonoTime at_;
  std::coroutine_handle<> handle_;
};

/// `co_await reactor.yield()`: goes on after what else is ready has had its turn.
class Yield final : public Waiter {
 public:
  explicit Yield(Reactor& reactor) : soon_(reactor, *this) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    handle_ = handle;
    soon_.set();
  }
  void await_resume() const {}
  void wake() override { handle_.resume(); }

 private:
  Soon soon_;
  std::coroutine_handle<> handle_;
};

/// A descriptor under the reactor's watch, edge-triggered in both directions and registered once.
class Registration final : private Waiter {
 public:
  /// What one descriptor may move in one turn of the loop before the others have theirs: some bulk reads, so
  /// that a turn's own cost does not show, and a few milliseconds at most, whatever the bytes mean to who
  /// reads them.
  static constexpr std::uint32_t share_bytes = 256 * 1024;
  /// What a call counts for besides its bytes: many small ones end a turn as well.
  static constexpr std::uint32_t call_bytes = 16 * 1024;

  /// Registers `fd`, which must be non-blocking and outlive this. Where the kernel refuses that
  /// (epoll_ctl(2): ENOMEM, ENOSPC) it is polled until the kernel agrees.
  Registration(Reactor& reactor, int fd, Readiness& readable, Readiness& writable);
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;
  ~Registration();

  /// Wakes both waiters as if the descriptor had become readable and writable. Either may destroy this.
  void notify_both() { dispatch(true, true); }

  /// False if a read would surely find nothing, because one did since the kernel last told of something: it
  /// tells of whatever comes after that (epoll(7), question 9). Saves a system call where a reader looks
  /// before it waits.
  bool may_read() const { return may_read_; }
  /// A read has taken all that was there. No effect once the peer's end is known: that is told of only once.
  void found_nothing_more() { may_read_ = has_ended_; }
  /// Something is there, although the kernel has not told of it yet.
  void found_more() { may_read_ = true; }
  /// The peer has ended its side or the connection is broken; what came before may still be unread.
  bool has_ended() const { return has_ended_; }

  /// Whether this turn's share is not used up. If it is, both waiters are woken in the next turn: who is told
  /// "nothing now" and waits goes on then.
  bool has_share();
  /// A call has moved so many bytes.
  void spend(std::size_t bytes) { spent_ += static_cast<std::uint32_t>(bytes) + call_bytes; }

 private:
  friend class Reactor;
  class Polling;
  void wake() override { notify_both(); }
  bool add();
  void told(std::uint32_t events);
  void dispatch(bool readable, bool writable);

  Reactor& reactor_;
  int fd_;
  std::uint32_t turn_ = 0;  // that spent_ is of
  std::uint32_t spent_ = 0;
  bool may_read_ = true;
  bool has_ended_ = false;
  Readiness& readable_;
  Readiness& writable_;
  bool* destroyed_ = nullptr;  // of the innermost dispatch that is under way
  Soon next_turn_;
  std::unique_ptr<Polling> polling_;  // null: the kernel watches it
};

/// One per thread. Not thread-safe but for post() and stop().
class Reactor {
 public:
  explicit Reactor(base::Clock& clock = base::system_clock());
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  ~Reactor();

  /// Runs `task` and the loop until the task ends; gives its result.
  template <class T>
  T block_on(Task<T> task) {
    task.start();
    while (!task.is_done()) turn();
    return task.take();
  }
  /// Runs the loop until stop().
  void run();
  /// Ends run() after the turn that is under way. From any thread or a signal-free context.
  void stop();
  /// One turn: waits for readiness or the next timer, then runs what became ready.
  void turn();
  /// One turn that does not wait. True if anything ran.
  bool poll();

  /// Runs `work` on this reactor's thread, soon. From any thread.
  void post(std::move_only_function<void()> work);

  Sleep sleep(base::Duration duration) { return {*this, clock_.now() + duration}; }
  Sleep sleep_until(base::MonoTime at) { return {*this, at}; }
  /// For a loop that may go on for long with what is there: lets everything else have its turn.
  Yield yield() { return Yield(*this); }

  base::Clock& clock() const { return clock_; }
  /// The time at the start of this turn: cheap, good to the length of one turn.
  base::MonoTime coarse_now() const { return coarse_now_; }
  /// The wall clock, read at most once in this turn.
  base::WallTime coarse_wall() {
    if (!coarse_wall_) coarse_wall_ = clock_.wall();
    return *coarse_wall_;
  }

 private:
  friend class Timer;
  friend class Registration;
  friend class Soon;
  struct Impl;

  bool turn(bool wait);
  bool dispatch_events(int count);
  bool run_timers();
  bool run_soon();
  void run_posted();

  base::Clock& clock_;
  base::MonoTime coarse_now_;
  std::optional<base::WallTime> coarse_wall_;
  std::uint32_t turns_ = 1;
  std::unique_ptr<Impl> impl_;
};

inline bool Registration::has_share() {
  if (turn_ != reactor_.turns_) {
    turn_ = reactor_.turns_;
    spent_ = 0;
  }
  if (spent_ < share_bytes) return true;
  next_turn_.set();
  return false;
}

}  // namespace weft::runtime
