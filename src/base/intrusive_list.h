// A list whose elements hold its links: it takes no memory of its own, and an element leaves it in constant
// time, at the latest when it goes.
#pragma once

#include <cstddef>
#include <iterator>

namespace weft::base {

template <class T, class Of>
class IntrusiveList;

/// What an element has as a base; one for each list that it may stand in at a time, told apart by `Of`.
template <class Of>
class Link {
 public:
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

 protected:
  Link() = default;
  ~Link() { unlink(); }

 private:
  template <class T, class>
  friend class IntrusiveList;

  void unlink() {
    before_->next_ = next_;
    next_->before_ = before_;
    before_ = next_ = this;
  }

  Link* before_ = this;
  Link* next_ = this;
};

/// Elements in the order in which they were added. It owns none of them.
template <class T, class Of = T>
class IntrusiveList {
 public:
  IntrusiveList() = default;
  /// Takes all elements over.
  IntrusiveList(IntrusiveList&& other) noexcept {
    if (other.empty()) return;
    end_.before_ = other.end_.before_;
    end_.next_ = other.end_.next_;
    end_.before_->next_ = end_.next_->before_ = &end_;
    other.end_.before_ = other.end_.next_ = &other.end_;
  }
  IntrusiveList& operator=(IntrusiveList&&) = delete;
  ~IntrusiveList() {
    while (!empty()) erase(front());
  }

  bool empty() const { return end_.next_ == &end_; }
  T& front() const { return of(end_.next_); }
  T& pop_front() {
    auto& first = front();
    erase(first);
    return first;
  }
  /// `element` stands in no list of that link.
  void push_back(T& element) {
    Link<Of>& link = element;
    link.before_ = end_.before_;
    link.next_ = &end_;
    link.before_->next_ = end_.before_ = &link;
  }
  /// Whether it stands in a list of that link.
  static bool is_linked(const T& element) {
    const Link<Of>& link = element;
    return link.next_ != &link;
  }
  /// Takes it out of the list of that link in which it stands, if any.
  static void erase(T& element) { static_cast<Link<Of>&>(element).unlink(); }

  /// Valid as long as its element stands in the list.
  class Iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    T& operator*() const { return of(at_); }
    Iterator& operator++() {
      at_ = at_->next_;
      return *this;
    }
    Iterator operator++(int) {
      const auto before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    friend class IntrusiveList;
    explicit Iterator(Link<Of>* at) : at_(at) {}
    Link<Of>* at_ = nullptr;
  };
  Iterator begin() { return Iterator(end_.next_); }
  Iterator end() { return Iterator(&end_); }

 private:
  struct End : Link<Of> {};
  static T& of(Link<Of>* link) { return static_cast<T&>(*link); }

  /// Before the first element and behind the last one.
  End end_;
};

}  // namespace weft::base
