// Memory that holds bytes on their way: blocks of two sizes from free lists of this thread, so that steady
// work allocates nothing and what rests holds nothing.
#pragma once

#include <cstddef>

namespace weft::runtime {

/// The two sizes: what one read brings mostly, and what saves system calls where much is moved.
inline constexpr std::size_t small_block_bytes = 16 * 1024;
inline constexpr std::size_t bulk_block_bytes = 64 * 1024;

/// A block. One of another size comes from the heap.
char* take_block(std::size_t size);
/// Gives one back that take_block(size) gave.
void give_block(char* block, std::size_t size);

}  // namespace weft::runtime
