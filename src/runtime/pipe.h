// One direction of a pair of streams in memory: a bounded queue of bytes.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>

namespace weft::runtime {

class Pipe {
 public:
  explicit Pipe(std::size_t capacity) : capacity_(capacity) {}

  bool empty() const { return start_ == bytes_.size(); }
  /// Takes from the front of `from` what there is room for: that many bytes.
  std::size_t put(std::span<const iovec> from) {
    std::size_t count = 0;
    for (const auto& part : from) {
      const auto taken = std::min(capacity_ - size(), part.iov_len);
      bytes_.append(static_cast<const char*>(part.iov_base), taken);
      count += taken;
      if (taken < part.iov_len) break;
    }
    return count;
  }
  /// Moves what is there and fits to `into`: that many bytes.
  std::size_t take(std::span<char> into) {
    const auto count = std::min(into.size(), size());
    std::memcpy(into.data(), bytes_.data() + start_, count);
    start_ += count;
    // What was taken goes once it is the larger part, so that a byte is moved at most once on average, and a
    // pipe that never runs empty does not grow.
    if (start_ >= bytes_.size() - start_) {
      bytes_.erase(0, start_);
      start_ = 0;
    }
    return count;
  }
  /// Bytes of memory that it holds.
  std::size_t memory() const { return bytes_.capacity(); }

 private:
  std::size_t size() const { return bytes_.size() - start_; }

  std::size_t capacity_;
  std::string bytes_;
  std::size_t start_ = 0;  // of what was not taken
};

}  // namespace weft::runtime
