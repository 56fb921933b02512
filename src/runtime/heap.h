// Memory that a burst has left behind goes back to the system.
#pragma once

#include <cstddef>

namespace weft::runtime {

/// Resident bytes that nothing uses, more than after the last time, that are worth a walk over the heap.
inline constexpr std::size_t worth_trimming_bytes = 8 * 1024 * 1024;

/// Gives pages of the heap back that nothing uses, if they are many: by itself the allocator gives back only
/// what lies at its heap's end. For now and then, from any thread.
void trim_heap();

}  // namespace weft::runtime
