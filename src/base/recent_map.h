// A map of so many entries at most: for one more, the one whose use lies longest back goes.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <utility>

namespace weft::base {

template <class Key, class Value>
class RecentMap {
 public:
  /// `most`: at least one.
  explicit RecentMap(std::size_t most) : most_(most) {}

  /// Null if there is none; it is the one used last from then on. Until the next change.
  template <class K>
  Value* find(const K& key) {
    const auto at = by_key_.find(key);
    if (at == by_key_.end()) return nullptr;
    uses_.splice(uses_.begin(), uses_, at->second.use);
    return &at->second.value;
  }
  /// In the place of one that is there.
  template <class K>
  void put(const K& key, Value value) {
    if (auto* found = find(key)) {
      *found = std::move(value);
      return;
    }
    const auto at = by_key_.emplace(Key(key), Entry{std::move(value), {}}).first;
    uses_.push_front(&at->first);
    at->second.use = uses_.begin();
    if (by_key_.size() > most_) erase(*uses_.back());
  }
  template <class K>
  void erase(const K& key) {
    const auto at = by_key_.find(key);
    if (at == by_key_.end()) return;
    uses_.erase(at->second.use);
    by_key_.erase(at);
  }
  std::size_t size() const { return by_key_.size(); }

 private:
  struct Entry {
    Value value;
    std::list<const Key*>::iterator use;
  };
  std::size_t most_;
  std::map<Key, Entry, std::less<>> by_key_;
  std::list<const Key*> uses_;  // the last used first
};

}  // namespace weft::base
