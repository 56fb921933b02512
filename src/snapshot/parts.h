// A list of a Snapshot's parts, sorted by name. Each part is shared with every Snapshot that has the same, so
// that what did not change is neither copied nor compared.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::snapshot {

/// `T` has a name. Parts are immutable once they are in more than one list: who changes one through a list
/// has one of its own.
template <class T>
class Parts {
 public:
  using value_type = T;
  using Ptr = std::shared_ptr<const T>;

  class Iterator {
   public:
    using value_type = T;
    using reference = const T&;
    using pointer = const T*;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::random_access_iterator_tag;

    Iterator() = default;
    explicit Iterator(typename std::vector<Ptr>::const_iterator at) : at_(at) {}
    const T& operator*() const { return **at_; }
    const T* operator->() const { return at_->get(); }
    const T& operator[](std::ptrdiff_t n) const { return *at_[n]; }
    const Ptr& shared() const { return *at_; }
    Iterator& operator++() { return *this += 1; }
    Iterator& operator--() { return *this += -1; }
    Iterator operator++(int) { return Iterator(at_++); }
    Iterator operator--(int) { return Iterator(at_--); }
    Iterator& operator+=(std::ptrdiff_t n) {
      at_ += n;
      return *this;
    }
    Iterator& operator-=(std::ptrdiff_t n) { return *this += -n; }
    friend Iterator operator+(Iterator a, std::ptrdiff_t n) { return a += n; }
    friend Iterator operator+(std::ptrdiff_t n, Iterator a) { return a += n; }
    friend Iterator operator-(Iterator a, std::ptrdiff_t n) { return a -= n; }
    friend std::ptrdiff_t operator-(const Iterator& a, const Iterator& b) { return a.at_ - b.at_; }
    friend bool operator==(const Iterator&, const Iterator&) = default;
    friend auto operator<=>(const Iterator&, const Iterator&) = default;

   private:
    friend class Parts;
    typename std::vector<Ptr>::const_iterator at_;
  };

  Parts() = default;
  Parts(std::initializer_list<T> parts) {
    for (const auto& part : parts) push_back(part);
  }

  std::size_t size() const { return parts_.size(); }
  bool empty() const { return parts_.empty(); }
  const T& operator[](std::size_t index) const { return *parts_[index]; }
  const T& front() const { return *parts_.front(); }
  const T& back() const { return *parts_.back(); }
  Iterator begin() const { return Iterator(parts_.begin()); }
  Iterator end() const { return Iterator(parts_.end()); }
  const Ptr& shared(std::size_t index) const { return parts_[index]; }

  /// Where the part of that name is; nothing if there is none.
  std::optional<std::size_t> place(std::string_view name) const {
    const auto at = std::ranges::lower_bound(parts_, name, {}, name_of);
    if (at == parts_.end() || (*at)->name != name) return std::nullopt;
    return static_cast<std::size_t>(at - parts_.begin());
  }
  /// The part of that name; null if there is none.
  const T* find(std::string_view name) const {
    const auto at = place(name);
    return at ? parts_[*at].get() : nullptr;
  }

  // For who makes a Snapshot.
  T& operator[](std::size_t index) { return own(parts_[index]); }
  T& front() { return own(parts_.front()); }
  T& back() { return own(parts_.back()); }
  void push_back(T part) { parts_.push_back(std::make_shared<T>(std::move(part))); }
  void push_back(Ptr part) { parts_.push_back(std::move(part)); }
  T& emplace_back() {
    push_back(T());
    return back();
  }
  void pop_back() { parts_.pop_back(); }
  void erase(Iterator at) { parts_.erase(at.at_); }
  void erase_if(auto predicate) {
    std::erase_if(parts_, [&](const Ptr& part) { return predicate(*part); });
  }
  void replace(std::size_t index, Ptr part) { parts_[index] = std::move(part); }
  /// Removes the part of that name, if there is one.
  void remove(std::string_view name) {
    if (const auto at = place(name)) parts_.erase(parts_.begin() + static_cast<std::ptrdiff_t>(*at));
  }
  /// Sorts by name. Where it is in order but for some at the end, it costs a look at each.
  void sort() {
    const auto rest = std::ranges::is_sorted_until(parts_, {}, name_of);
    if (rest == parts_.end()) return;
    std::ranges::sort(rest, parts_.end(), {}, name_of);
    std::vector<Ptr> merged;
    merged.reserve(size());
    std::ranges::merge(std::ranges::subrange(parts_.begin(), rest), std::ranges::subrange(rest, parts_.end()),
                       std::back_inserter(merged), {}, name_of, name_of);
    parts_ = std::move(merged);
  }
  /// Of a sorted list: keeps one part of each name.
  void make_unique() {
    const auto rest = std::ranges::unique(parts_, {}, name_of);
    parts_.erase(rest.begin(), rest.end());
  }
  /// Takes from `before` each part that is equal there.
  void share(const Parts& before) {
    for (std::size_t i = 0; i < size(); ++i) {
      if (i < before.size() && before.parts_[i] == parts_[i]) continue;
      // Mostly in the same place.
      const bool is_near = i < before.size() && before[i].name == parts_[i]->name;
      const auto at = is_near ? std::optional(i) : before.place(parts_[i]->name);
      if (at && before[*at] == *parts_[i]) parts_[i] = before.parts_[*at];
    }
  }

  /// Whether they are the same parts, not only equal ones.
  bool is_same(const Parts& other) const { return parts_ == other.parts_; }
  friend bool operator==(const Parts& a, const Parts& b) {
    return std::ranges::equal(a.parts_, b.parts_,
                              [](const Ptr& one, const Ptr& two) { return one == two || *one == *two; });
  }

 private:
  /// All parts are made by push_back(), as what may be changed.
  static T& own(Ptr& part) {
    if (part.use_count() > 1) part = std::make_shared<T>(*part);
    return const_cast<T&>(*part);
  }

  static constexpr auto name_of = [](const Ptr& part) { return std::string_view(part->name); };

  std::vector<Ptr> parts_;
};

}  // namespace weft::snapshot
