// A rate-limited work queue as Kubernetes' controllers use it: a key that is added while it waits is handled
// once, one that is added while it is handled is handled again, and one that failed comes back later.
#pragma once

#include <algorithm>
#include <cstddef>
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
    later_.erase(key);
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
    const auto [found, is_new] = later_.emplace(key, at);
    if (!is_new) found->second = std::min(found->second, at);
    if (!timer_.is_set() || at < timer_.at()) timer_.set(at);
  }

  bool idle() const { return waiting_.empty() && busy_.empty(); }

 private:
  void wake() override {
    const auto now = reactor_.clock().now();
    std::erase_if(later_, [&](const auto& entry) {
      if (entry.second > now) return false;
      if (busy_.contains(entry.first)) {
        again_.insert(entry.first);
      } else if (waiting_.insert(entry.first).second) {
        order_.push_back(entry.first);
      }
      return true;
    });
    set_timer();
    while (!order_.empty() && busy_.size() < parallel_) {
      Key key = std::move(order_.front());
      order_.pop_front();
      waiting_.erase(key);
      busy_.insert(key);
      scope_.spawn(handle(std::move(key)));
    }
  }

  void set_timer() {
    timer_.cancel();
    if (later_.empty()) return;
    auto earliest = later_.begin()->second;
    for (const auto& [key, at] : later_) earliest = std::min(earliest, at);
    timer_.set(earliest);
  }

  runtime::Task<void> handle(Key key) {
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
  std::map<Key, int> failures_;
  runtime::Soon soon_;
  runtime::Timer timer_;
  runtime::Scope scope_;  // last: its tasks use all of the above
};

}  // namespace weft::control::reconcile
