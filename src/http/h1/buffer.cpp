#include "http/h1/buffer.h"

#include <array>
#include <cstring>
#include <new>

#include "http/h1/limits.h"

namespace weft::http::h1 {
namespace {

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
// Straight from the heap, so that the sanitizer sees a view that outlived its buffer.
char* take_block(std::size_t capacity) { return static_cast<char*>(::operator new(capacity)); }
void give_block(char* block, std::size_t) { ::operator delete(block); }
#else
// Kept free blocks of one size: 1 MiB of small ones is enough for all connections that are busy at one
// moment.
constexpr std::size_t most_free_small = 64;
constexpr std::size_t most_free_bulk = 8;

/// The free blocks of one size.
template <std::size_t bytes, std::size_t most_free>
class FreeBlocks {
 public:
  FreeBlocks() = default;
  FreeBlocks(const FreeBlocks&) = delete;
  FreeBlocks& operator=(const FreeBlocks&) = delete;
  ~FreeBlocks() {
    while (count_ > 0) ::operator delete(blocks_[--count_]);
  }
  char* take() { return static_cast<char*>(count_ > 0 ? blocks_[--count_] : ::operator new(bytes)); }
  void give(char* block) {
    if (count_ < most_free) {
      blocks_[count_++] = block;
    } else {
      ::operator delete(block);
    }
  }

 private:
  std::array<void*, most_free> blocks_{};
  std::size_t count_ = 0;
};

thread_local FreeBlocks<receive_buffer_bytes, most_free_small> small_blocks;
thread_local FreeBlocks<bulk_buffer_bytes, most_free_bulk> bulk_blocks;

char* take_block(std::size_t capacity) {
  return capacity == receive_buffer_bytes ? small_blocks.take() : bulk_blocks.take();
}
void give_block(char* block, std::size_t capacity) {
  if (capacity == receive_buffer_bytes) {
    small_blocks.give(block);
  } else {
    bulk_blocks.give(block);
  }
}
#endif

}  // namespace

std::span<char> Buffer::room() {
  if (empty()) begin_ = end_ = 0;
  const auto wanted = bulk_ && empty() ? bulk_buffer_bytes : receive_buffer_bytes;
  if (capacity_ < wanted) grow(wanted);
  // Reading into a rest that is small would cost a system call for little.
  if (begin_ > 0 && capacity_ - end_ < capacity_ / 2) {
    std::memmove(memory_, memory_ + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == capacity_ && capacity_ < bulk_buffer_bytes) grow(bulk_buffer_bytes);
  return {memory_ + end_, capacity_ - end_};
}

void Buffer::commit(std::size_t size) {
  bulk_ = size == capacity_ - end_;
  end_ += size;
}

void Buffer::grow(std::size_t capacity) {
  char* const memory = take_block(capacity);
  if (memory_ != nullptr) {
    std::memcpy(memory, memory_ + begin_, end_ - begin_);
    give_block(memory_, capacity_);
  }
  memory_ = memory;
  capacity_ = capacity;
  end_ -= begin_;
  begin_ = 0;
}

void Buffer::release() {
  if (memory_ != nullptr) give_block(memory_, capacity_);
  memory_ = nullptr;
  capacity_ = begin_ = end_ = 0;
}

}  // namespace weft::http::h1
