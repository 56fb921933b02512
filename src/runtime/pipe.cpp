#include "runtime/pipe.h"

#include <algorithm>
#include <cstring>

#include "runtime/block.h"

namespace weft::runtime {

std::span<char> Pipe::piece(std::size_t start, std::size_t size) const {
  if (start >= ring_.size()) start -= ring_.size();
  return ring_.subspan(start, std::min(size, ring_.size() - start));
}

std::size_t Pipe::put(std::span<const iovec> from) {
  std::size_t wanted = 0;
  for (const auto& part : from) wanted += part.iov_len;
  wanted = std::min(wanted, capacity_ - size_);
  if (wanted == 0) return 0;
  if (size_ + wanted > ring_.size()) grow(size_ + wanted);
  std::size_t left = wanted;
  for (const auto& part : from) {
    const auto* bytes = static_cast<const char*>(part.iov_base);
    for (std::size_t of_part = std::min(part.iov_len, left); of_part > 0;) {
      const auto room = piece(start_ + size_, of_part);
      std::memcpy(room.data(), bytes, room.size());
      bytes += room.size();
      size_ += room.size();
      of_part -= room.size();
      left -= room.size();
    }
  }
  return wanted;
}

std::size_t Pipe::peek(std::span<char> into) const {
  const auto wanted = std::min(into.size(), size_);
  for (std::size_t done = 0; done < wanted;) {
    const auto bytes = piece(start_ + done, wanted - done);
    std::memcpy(into.data() + done, bytes.data(), bytes.size());
    done += bytes.size();
  }
  return wanted;
}

std::size_t Pipe::take(std::span<char> into) {
  const auto wanted = peek(into);
  start_ += wanted;
  if (start_ >= ring_.size()) start_ -= ring_.size();
  size_ -= wanted;
  if (empty()) release();
  return wanted;
}

void Pipe::grow(std::size_t wanted) {
  const auto block_bytes = wanted <= small_block_bytes  ? small_block_bytes
                           : wanted <= bulk_block_bytes ? bulk_block_bytes
                                                        : capacity_;
  const std::span<char> ring(take_block(block_bytes), block_bytes);
  std::size_t done = 0;
  while (done < size_) {
    const auto bytes = piece(start_ + done, size_ - done);
    std::memcpy(ring.data() + done, bytes.data(), bytes.size());
    done += bytes.size();
  }
  const auto size = size_;
  release();
  ring_ = ring;
  size_ = size;
}

void Pipe::release() {
  if (!ring_.empty()) give_block(ring_.data(), ring_.size());
  ring_ = {};
  start_ = size_ = 0;
}

}  // namespace weft::runtime
