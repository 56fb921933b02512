// Which build a file says that it is: the file may be anything, and what is found is for people's terminals.
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/printable.h"
#include "runtime/build.h"
#include "runtime/fd.h"

namespace {

using namespace weft;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const runtime::Fd file(::memfd_create("fuzz", MFD_CLOEXEC));
  require(::write(file.get(), data, size) == static_cast<ssize_t>(size));
  const auto build = runtime::build_of(fmt::format("/proc/self/fd/{}", file.get()));
  require(build.id.size() <= 12 && build.id.find_first_not_of("0123456789abcdef") == std::string::npos);
  require(base::printable(build.version) == build.version);
  return 0;
}
