#include "runtime/frame_pool.h"

#include <array>
#include <new>

namespace weft::runtime {
namespace {

// Classes up to 4 KiB hold every frame but a few rare giants, which the heap serves. Those of one class take
// the same of a heap as glibc's is, which gives 16 bytes at a time and keeps 8 for itself.
constexpr std::size_t class_bytes = 16;
constexpr std::size_t heap_bytes = 8;
constexpr std::size_t classes = 256;
// Kept free frames of one class: enough for a busy worker, bounded after a burst.
constexpr std::size_t most_free = 1024;

struct Free {
  Free* next;
};

class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    closed_ = true;
    for (auto& list : lists_) {
      while (auto* frame = list.head) {
        list.head = frame->next;
        ::operator delete(frame);
      }
    }
  }

  void* take(std::size_t size) {
    const auto index = class_of(size);
    if (index >= classes) return ::operator new(size);
    auto& list = lists_[index];
    if (auto* frame = list.head) {
      list.head = frame->next;
      --list.count;
      return frame;
    }
    return ::operator new((index + 1) * class_bytes - heap_bytes);
  }

  void give(void* frame, std::size_t size) noexcept {
    const auto index = class_of(size);
    if (index >= classes || closed_ || lists_[index].count >= most_free) {
      ::operator delete(frame);
      return;
    }
    auto& list = lists_[index];
    list.head = new (frame) Free{list.head};
    ++list.count;
  }

 private:
  static std::size_t class_of(std::size_t size) { return (size + heap_bytes - 1) / class_bytes; }

  struct List {
    Free* head = nullptr;
    std::size_t count = 0;
  };
  std::array<List, classes> lists_{};
  bool closed_ = false;
};

thread_local Pool pool;

}  // namespace

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
// Straight from the heap, so that the sanitizer sees a use after the end of a frame.
void* allocate_frame(std::size_t size) { return ::operator new(size); }
void release_frame(void* frame, std::size_t) noexcept { ::operator delete(frame); }
#else
void* allocate_frame(std::size_t size) { return pool.take(size); }
void release_frame(void* frame, std::size_t size) noexcept { pool.give(frame, size); }
#endif

}  // namespace weft::runtime
