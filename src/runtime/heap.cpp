#include "runtime/heap.h"

#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>

namespace weft::runtime {
namespace {

/// Resident bytes of memory without a file behind it; 0 if unknown (proc(5), statm).
std::size_t resident_bytes() {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/self/statm", "re"),
                                                             std::fclose);
  unsigned long size = 0;
  unsigned long resident = 0;
  unsigned long shared = 0;
  if (!file || std::fscanf(file.get(), "%lu %lu %lu", &size, &resident, &shared) != 3) return 0;
  return (resident - shared) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// What is resident beyond what is in use.
std::size_t idle_bytes() {
  const auto heap = ::mallinfo2();
  const auto used = heap.uordblks + heap.hblkhd;
  const auto resident = resident_bytes();
  return resident > used ? resident - used : 0;
}

}  // namespace

void trim_heap() {
  // After the last time: stacks, and free pieces of pages in use.
  static std::atomic<std::size_t> left{0};
  if (idle_bytes() < left + worth_trimming_bytes) return;
  ::malloc_trim(0);
  left = idle_bytes();
}

}  // namespace weft::runtime
