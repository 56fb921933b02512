// A connection's receive buffer. Its memory comes from a free list of this thread and goes back when it is
// empty, so that idle connections hold none.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace weft::http::h1 {

class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { release(); }

  /// What has arrived and was not consumed. Its bytes stay where they are, also when consumed, until the next
  /// room() or release_if_empty().
  std::string_view data() const { return {memory_ + begin_, end_ - begin_}; }
  char* begin() { return memory_ + begin_; }
  bool empty() const { return begin_ == end_; }
  void consume(std::size_t size) { begin_ += size; }
  /// Room behind the data, after moving the data to the front or growing where that is needed; empty once
  /// bulk_buffer_bytes are full. Read into it, then commit() what came.
  std::span<char> room();
  void commit(std::size_t size);
  /// Drops what is there.
  void clear() { begin_ = end_; }
  /// Gives the memory back if no data is left.
  void release_if_empty() {
    if (empty()) release();
  }

 private:
  void grow(std::size_t capacity);
  void release();

  char* memory_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool bulk_ = false;  // the last room was filled whole: more is coming than it holds
};

}  // namespace weft::http::h1
