#include "http/h1/buffer.h"

#include <cstring>

#include "http/h1/limits.h"
#include "runtime/block.h"

namespace weft::http::h1 {
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
  char* const memory = runtime::take_block(capacity);
  if (memory_ != nullptr) {
    std::memcpy(memory, memory_ + begin_, end_ - begin_);
    runtime::give_block(memory_, capacity_);
  }
  memory_ = memory;
  capacity_ = capacity;
  end_ -= begin_;
  begin_ = 0;
}

void Buffer::release() {
  if (memory_ != nullptr) runtime::give_block(memory_, capacity_);
  memory_ = nullptr;
  capacity_ = begin_ = end_ = 0;
}

}  // namespace weft::http::h1
