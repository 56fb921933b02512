// Frames that wait to be written, in one block, which is held only while some do.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/block.h"

namespace weft::http::h2 {

class WriteBuffer {
 public:
  static constexpr std::size_t capacity = runtime::bulk_block_bytes;

  WriteBuffer() = default;
  WriteBuffer(const WriteBuffer&) = delete;
  WriteBuffer& operator=(const WriteBuffer&) = delete;
  ~WriteBuffer() { release(); }

  bool empty() const { return begin_ == end_; }
  std::size_t room() const { return capacity - end_; }
  std::string_view data() const { return {block_ + begin_, std::size_t{end_} - begin_}; }
  /// At most room().
  void append(std::string_view bytes) {
    if (block_ == nullptr) block_ = runtime::take_block(capacity);
    std::ranges::copy(bytes, block_ + end_);
    end_ += static_cast<std::uint32_t>(bytes.size());
  }
  void consume(std::size_t size) {
    begin_ += static_cast<std::uint32_t>(size);
    if (empty()) release();
  }

 private:
  void release() {
    if (block_ != nullptr) runtime::give_block(block_, capacity);
    block_ = nullptr;
    begin_ = end_ = 0;
  }
  char* block_ = nullptr;
  std::uint32_t begin_ = 0;
  std::uint32_t end_ = 0;
};

}  // namespace weft::http::h2
