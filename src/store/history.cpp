#include "store/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "runtime/combine.h"

namespace weft::store {

Version to_version(std::uint64_t number) { return Version(std::to_string(number)); }

std::optional<std::uint64_t> number_of(const Version& version) {
  std::uint64_t number = 0;
  const auto& text = version.text();
  const auto* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && at == end ? std::optional(number) : std::nullopt;
}

/// One reader's place in the history.
class HistoryWatch final : public Watch {
 public:
  HistoryWatch(std::shared_ptr<History> history, std::string kind, std::uint64_t since)
      : history_(std::move(history)), kind_(std::move(kind)), seen_(since) {
    place_ = history_->watches_.insert(history_->watches_.end(), &changed_);
  }
  HistoryWatch(const HistoryWatch&) = delete;
  HistoryWatch& operator=(const HistoryWatch&) = delete;
  ~HistoryWatch() override { history_->watches_.erase(place_); }

  runtime::Task<Result<std::vector<Event>>> next() override {
    for (;;) {
      if (seen_ < history_->dropped_) {
        co_return base::fail(StoreErrorKind::gone,
                             fmt::format("the watch was too slow: it has seen version {}, what "
                                         "followed is no longer known",
                                         seen_));
      }
      auto events = take();
      if (!events.empty()) co_return events;
      co_await runtime::Wait(changed_);
    }
  }

  Version seen() const override { return to_version(seen_); }

 private:
  /// The events of this kind that were not seen yet; they are seen then.
  std::vector<Event> take() {
    std::vector<Event> found;
    const auto& events = history_->events_;
    auto it = std::ranges::upper_bound(events, seen_, {}, [](const auto& kept) { return kept.number; });
    for (; it != events.end(); ++it) {
      if (it->event.key.kind != kind_) continue;
      if (found.size() == watch_batch) return found;
      found.push_back(it->event);
      seen_ = it->number;
    }
    seen_ = history_->newest_;
    return found;
  }

  std::shared_ptr<History> history_;
  std::string kind_;
  std::uint64_t seen_;
  runtime::Readiness changed_;
  std::list<runtime::Readiness*>::iterator place_;
};

History::History(runtime::Reactor& reactor, std::uint64_t start, std::size_t limit, std::size_t max_bytes)
    : reactor_(reactor), limit_(limit), dropped_(start), newest_(start), max_bytes_(max_bytes) {}

void History::append(std::vector<Numbered> events) {
  if (events.empty()) return;
  newest_ = events.back().number;
  for (auto& [number, event] : events) {
    std::size_t bytes = sizeof(Kept);
    for (const auto& object : {event.object, event.previous}) {
      if (object) bytes += base::memory_of(*object);
    }
    bytes_ += bytes;
    events_.push_back({number, std::move(event), bytes});
  }
  if (std::exchange(wake_posted_, true)) return;
  reactor_.post([self = weak_from_this()] {
    if (auto history = self.lock()) history->wake_watches();
  });
}

void History::wake_watches() {
  wake_posted_ = false;
  // Waking one may end any other. Who waits has seen all that was before, so the old is dropped after that
  // only.
  for (auto left = watches_.size(); left > 0 && !watches_.empty(); --left) {
    // To the back, where new ones come too: those that were not woken yet are always in front.
    watches_.splice(watches_.end(), watches_, watches_.begin());
    watches_.back()->notify();
  }
  while (events_.size() > limit_ || bytes_ > max_bytes_) {
    dropped_ = events_.front().number;
    bytes_ -= events_.front().bytes;
    events_.pop_front();
  }
}

Result<std::unique_ptr<Watch>> History::watch(std::string kind, std::uint64_t since) {
  if (since < dropped_) {
    return base::fail(
        StoreErrorKind::gone,
        fmt::format("version {} is too old: what happened up to {} is no longer known", since, dropped_));
  }
  if (since > newest_) {
    return base::fail(StoreErrorKind::gone,
                      fmt::format("version {} has never been: the newest is {}", since, newest_));
  }
  return std::make_unique<HistoryWatch>(shared_from_this(), std::move(kind), since);
}

}  // namespace weft::store
