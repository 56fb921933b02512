// One direction of a pair of streams in memory: a bounded queue of bytes that holds no memory while it is
// empty.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>

namespace weft::runtime {

class Pipe {
 public:
  /// `capacity`: bytes that it takes.
  explicit Pipe(std::size_t capacity) : capacity_(capacity) {}
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() { release(); }

  bool empty() const { return size_ == 0; }
  /// Bytes that are in it.
  std::size_t size() const { return size_; }
  /// Takes from the front of `from` what there is room for: that many bytes.
  std::size_t put(std::span<const iovec> from);
  /// Copies what is there and fits to `into`: that many bytes.
  std::size_t peek(std::span<char> into) const;
  /// Moves what is there and fits to `into`: that many bytes.
  std::size_t take(std::span<char> into);
  /// Bytes of memory that it holds.
  std::size_t memory() const { return ring_.size(); }

 private:
  /// The ring's bytes from `start` on, as one or two pieces, the first of which this is, of at most `size`.
  std::span<char> piece(std::size_t start, std::size_t size) const;
  /// Moves to a block that holds so many bytes.
  void grow(std::size_t wanted);
  void release();

  std::size_t capacity_;
  std::span<char> ring_;  // a block, or nothing
  std::size_t start_ = 0;
  std::size_t size_ = 0;
};

}  // namespace weft::runtime
