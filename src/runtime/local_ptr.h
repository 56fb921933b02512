// A counted pointer for objects that only one thread touches: the count is a plain number.
#pragma once

#include <cstdint>
#include <utility>

namespace weft::runtime {

/// What a LocalPtr points to.
class LocalCounted {
 public:
  LocalCounted() = default;
  LocalCounted(const LocalCounted&) = delete;
  LocalCounted& operator=(const LocalCounted&) = delete;

 protected:
  ~LocalCounted() = default;

 private:
  template <class T>
  friend class LocalPtr;
  std::uint32_t count_ = 0;
};

template <class T>
class LocalPtr {
 public:
  LocalPtr() = default;
  explicit LocalPtr(T* object) : object_(object) { take(); }
  LocalPtr(const LocalPtr& other) : object_(other.object_) { take(); }
  LocalPtr(LocalPtr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  LocalPtr& operator=(LocalPtr other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~LocalPtr() {
    if (object_ != nullptr && --object_->LocalCounted::count_ == 0) delete object_;
  }

  T* get() const { return object_; }
  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  friend bool operator==(const LocalPtr&, const LocalPtr&) = default;

 private:
  void take() {
    if (object_ != nullptr) ++object_->LocalCounted::count_;
  }
  T* object_ = nullptr;
};

}  // namespace weft::runtime
