#include "provider/process/keeper_watch.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "provider/process/descriptors.h"
#include "provider/process/keeper.h"
#include "provider/process/restart_pause.h"
#include "runtime/log.h"
#include "runtime/socket.h"

namespace weft::provider::process {
namespace {

bool ends_with_its_parent() {
  int signal = 0;
  ::prctl(PR_GET_PDEATHSIG, &signal);
  return signal != 0;
}

/// The pidfd at that number; none if something else is there: a keeper that started before this program was
/// replaced by a newer one passes none.
runtime::Fd inherited_pidfd(int number) {
  std::error_code error;
  const auto what = std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", number), error).string();
  return what.find("pidfd") == std::string::npos ? runtime::Fd() : runtime::Fd(number);
}

}  // namespace

KeeperWatch::KeeperWatch(Fence& fence, std::vector<std::string> argv, const runtime::HomeLock& lock)
    : fence_(fence), argv_(std::move(argv)), lock_(lock), first_(inherited_pidfd(kept_pidfd)) {
  if (first_) seen_.pid = ::getppid();
}

runtime::Task<void> KeeperWatch::run() {
  if (ends_with_its_parent() || !first_) co_return;
  co_await runtime::until_readable(fence_.reactor, first_.get());
  first_.reset();
  note_end({});
  for (RestartPause pause;;) {
    const auto since = fence_.reactor.clock().now();
    if (auto keeper = start()) {
      seen_.pid = (*keeper)->pid;
      ++seen_.restarts;
      co_await (*keeper)->ended.wait();
      note_end((*keeper)->status);
    } else {
      seen_.last_exit = cannot("start", keeper.error()).error().detail;
      runtime::log::error("supervisor", "the keeper: {}", seen_.last_exit);
    }
    co_await fence_.reactor.sleep(pause.next(fence_.reactor.clock().now() - since));
  }
}

/// Not in a group: it must outlive this process, and what a successor clears.
runtime::IoResult<std::shared_ptr<Process>> KeeperWatch::start() const {
  const auto self = runtime::open_pidfd(::getpid());
  if (!self) return std::unexpected(self.error());
  auto spawn = partner(argv_, lock_, *self);
  spawn.oom_score_adj = fence_.oom.found;
  return fence_.processes.spawn(spawn);
}

void KeeperWatch::note_end(const runtime::ExitStatus& how) {
  seen_.pid = -1;
  seen_.last_exit = how.to_string();
  runtime::log::warning("supervisor", "the keeper ended ({}) and is started again", seen_.last_exit);
  lock_.sign();
}

}  // namespace weft::provider::process
