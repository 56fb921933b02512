// What one supervisor's program leaves to the next, read and (if it is understood) written and read again: no
// crash, and the same comes back.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "provider/process/carried.h"

namespace {

using namespace weft;
using provider::process::Carried;

void require(bool holds) {
  if (!holds) std::abort();
}

std::string written(const Carried& carried) {
  const auto file = provider::process::write_carried(carried);
  require(file.has_value());
  std::string bytes(static_cast<std::size_t>(::lseek(file->get(), 0, SEEK_END)), '\0');
  require(::pread(file->get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  return bytes;
}

provider::Result<Carried> read(const void* data, std::size_t size) {
  const runtime::Fd file(::memfd_create("fuzz", MFD_CLOEXEC));
  require(::write(file.get(), data, size) == static_cast<ssize_t>(size));
  return provider::process::read_carried(file.get());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto first = read(data, size);
  if (!first) return 0;
  (void)first->descriptors();
  const auto bytes = written(*first);
  const auto again = read(bytes.data(), bytes.size());
  require(again && written(*again) == bytes);
  return 0;
}
