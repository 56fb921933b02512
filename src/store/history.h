// The latest events in order, and the watches that read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/reactor.h"
#include "store/store.h"

namespace weft::store {

/// So many events are kept: a watcher that is further behind must list again. Large enough for the start of
/// some hundred services to pass a client that reconnects, small enough to stay below a few MB.
constexpr std::size_t history_limit = 4096;
/// The memory of the objects in them, counted with the state before, is at most this: objects may have some
/// MiB, and then fewer events are kept.
constexpr std::size_t history_bytes = std::size_t{64} << 20;
/// Events that one read of a watch takes: a reader that is slow keeps so many of them alive.
constexpr std::size_t watch_batch = 64;

/// An event and its place among all changes, of whatever kind. The numbers are what versions are made of
/// here, and known to this store alone.
struct Numbered {
  std::uint64_t number = 0;
  Event event;
};

/// "17".
Version to_version(std::uint64_t number);
/// Nothing if that is no version that to_version() gives.
std::optional<std::uint64_t> number_of(const Version& version);

/// Outlives its store as long as a watch holds it.
class History : public std::enable_shared_from_this<History> {
 public:
  /// Nothing is known of what happened up to `start`.
  History(runtime::Reactor& reactor, std::uint64_t start, std::size_t limit = history_limit,
          std::size_t max_bytes = history_bytes);

  /// Adds events, each with a greater number than all before. The watches that wait get them in a later turn
  /// of the reactor, so that nothing of theirs runs within the change that caused the event.
  void append(std::vector<Numbered> events);
  /// The number of the newest event, or the start.
  std::uint64_t newest() const { return newest_; }
  /// How many events are kept, and their memory.
  std::size_t size() const { return events_.size(); }
  std::size_t bytes() const { return bytes_; }
  /// The error `gone` if an event after `since` may have been dropped, or `since` has never been.
  Result<std::unique_ptr<Watch>> watch(std::string kind, std::uint64_t since);

 private:
  friend class HistoryWatch;

  void wake_watches();

  runtime::Reactor& reactor_;
  std::size_t limit_;
  /// Events up to this number are not known any more.
  std::uint64_t dropped_;
  std::uint64_t newest_;
  std::size_t max_bytes_;
  struct Kept {
    std::uint64_t number = 0;
    Event event;
    std::size_t bytes = 0;
  };
  std::deque<Kept> events_;
  std::size_t bytes_ = 0;
  std::list<runtime::Readiness*> watches_;
  bool wake_posted_ = false;
};

}  // namespace weft::store
