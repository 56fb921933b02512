#include "runtime/block.h"

#include <array>
#include <new>

namespace weft::runtime {

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
// Straight from the heap, so that the sanitizer sees a view that outlived its block.
char* take_block(std::size_t size) { return static_cast<char*>(::operator new(size)); }
void give_block(char* block, std::size_t) { ::operator delete(block); }
#else
namespace {

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

thread_local FreeBlocks<small_block_bytes, most_free_small> small_blocks;
thread_local FreeBlocks<bulk_block_bytes, most_free_bulk> bulk_blocks;

}  // namespace

char* take_block(std::size_t size) {
  if (size == small_block_bytes) return small_blocks.take();
  if (size == bulk_block_bytes) return bulk_blocks.take();
  return static_cast<char*>(::operator new(size));
}
void give_block(char* block, std::size_t size) {
  if (size == small_block_bytes) return small_blocks.give(block);
  if (size == bulk_block_bytes) return bulk_blocks.give(block);
  ::operator delete(block);
}
#endif

}  // namespace weft::runtime
