// Memory of coroutine frames: free lists of this thread, so that steady work allocates nothing.
#pragma once

#include <cstddef>

namespace weft::runtime {

/// Memory for one coroutine frame of `size` bytes, from this thread's free list of its size class.
void* allocate_frame(std::size_t size);
/// Gives it back to this thread's free list, whichever thread took it.
void release_frame(void* frame, std::size_t size) noexcept;

}  // namespace weft::runtime
