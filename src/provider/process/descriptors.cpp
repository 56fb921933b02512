#include "provider/process/descriptors.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

namespace weft::provider::process {
namespace {

rlim_t limit_of(__rlimit_resource_t resource) {
  rlimit limit{};
  ::getrlimit(resource, &limit);
  return limit.rlim_cur;
}

}  // namespace

bool is_spare(const runtime::Fd& fd) {
  const auto limit = limit_of(RLIMIT_NOFILE);
  // Under a very low limit there is little to be kept, but something must be left to be used.
  const auto kept = std::min<rlim_t>(spare_descriptors, limit / 2);
  return fd && static_cast<rlim_t>(fd.get()) >= limit - kept;
}

std::unexpected<ProviderError> cannot(std::string_view what, runtime::IoError error) {
  auto text = fmt::format("cannot {}: {}", what, error.message());
  if (error.code == EMFILE) {
    text += fmt::format(" (the limit is {}, {} of them kept back: raise it with `ulimit -n`)",
                        limit_of(RLIMIT_NOFILE), spare_descriptors);
  } else if (error.code == EAGAIN) {
    text += " (no more processes may be started: see `ulimit -u` and pids.max of this cgroup)";
  }
  return base::fail(ProviderErrorKind::failed, std::move(text));
}

}  // namespace weft::provider::process
