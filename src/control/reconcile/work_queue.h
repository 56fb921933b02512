// A rate-limited work queue as Kubernetes' controllers use it: a key that is added while it waits is handled
// once, one that is added while it is handled is handled again, and one that failed comes back later.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "base/clock.h"
#include "control/reconcile/limits.h"
#include "runtime/reactor.h"
#include "runtime/scope.h"
#include "runtime/task.h"

namespace weft::control::reconcile {

/// Handling always begins from the reactor's loop, never from within add(): who adds a key is not disturbed
/// by what is decided about it.
template <class Key>
class WorkQueue final : private runtime::Waiter {
 public:
  /// Gives false if the key is to be tried again later.
  using Handler = std::function<runtime::Task<bool>(Key)>;

  /// At most `parallel` keys are handled beside each other, never one key twice.
  WorkQueue(runtime::Reactor& reactor, std::size_t parallel, Handler handler)
      : reactor_(reactor),
        parallel_(parallel),
        handler_(std::move(handler)),
        soon_(reactor, *this),
        timer_(reactor, *this) {}

  void add(const Key& key) {
    forget_time(key);
    if (busy_.contains(key)) {
      again_.insert(key);
    } else if (waiting_.insert(key).second) {
      order_.push_back(key);
      soon_.set();
    }
  }

  /// The earliest of several times counts.
  void add_after(const Key& key, base::Duration delay) {
    if (delay <= base::Duration::zero()) return add(key);
    if (waiting_.contains(key)) return;
    const auto at = reactor_.clock().now() + delay;
    if (const auto known = later_.find(key); known != later_.end() && known->second <= at) return;
    forget_time(key);
    later_.emplace(key, at);
    times_.emplace(at, key);
    if (!timer_.is_set() || at < timer_.at()) timer_.set(at);
  }

  bool idle() const { return waiting_.empty() && busy_.empty(); }
  /// Keys that were handed to the handler so far.
  std::uint64_t handled() const { return handled_; }

 private:
  void wake() override {
    const auto now = reactor_.clock().now();
    while (!times_.empty() && times_.begin()->first <= now) add(Key(times_.begin()->second));
    timer_.cancel();
    if (!times_.empty()) timer_.set(times_.begin()->first);
    while (!order_.empty() && busy_.size() < parallel_) {
      Key key = std::move(order_.front());
      order_.pop_front();
      waiting_.erase(key);
      busy_.insert(key);
      scope_.spawn(handle(std::move(key)));
    }
  }

  void forget_time(const Key& key) {
    const auto known = later_.find(key);
    if (known == later_.end()) return;
    times_.erase({known->second, key});
    later_.erase(known);
  }

  runtime::Task<void> handle(Key key) {
    ++handled_;
    const bool succeeded = co_await handler_(key);
    busy_.erase(key);
    const bool changed = again_.erase(key) > 0;
    if (succeeded) {
      failures_.erase(key);
      if (changed) add(key);
    } else {
      const int doublings = std::min(failures_[key]++, 20);
      add_after(key, std::min<base::Duration>(retry_first * (1 << doublings), retry_most));
    }
    if (!order_.empty()) soon_.set();
  }

  runtime::Reactor& reactor_;
  std::size_t parallel_;
  Handler handler_;
  std::deque<Key> order_;
  std::set<Key> waiting_;  // those in order_
  std::set<Key> busy_;
  std::set<Key> again_;  // of busy_, those that were added meanwhile
  std::map<Key, base::MonoTime> later_;
  std::set<std::pair<base::MonoTime, Key>> times_;  // the same, the earliest first
  std::map<Key, int> failures_;
  std::uint64_t handled_ = 0;
  runtime::Soon soon_;
  runtime::Timer timer_;
  runtime::Scope scope_;  // last: its tasks use all of the above
};

}  // namespace weft::control::reconcile
