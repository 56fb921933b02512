#include "provider/process/keeper_watch.h"

#include <signal.h>
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

/// The pidfd at that number; none if something else is there: a keeper that started before this program was
/// replaced by a newer one passes none.
runtime::Fd inherited_pidfd(int number) {
  std::error_code error;
  const auto what = std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", number), error).string();
  return what.find("pidfd") == std::string::npos ? runtime::Fd() : runtime::Fd(number);
}

}  // namespace

KeeperWatch::KeeperWatch(Fence& fence, std::vector<std::string> argv, const runtime::HomeLock& lock)
    : fence_(fence), argv_(std::move(argv)), lock_(lock) {}

bool KeeperWatch::ends_with_keeper() {
  int signal = 0;
  ::prctl(PR_GET_PDEATHSIG, &signal);
  return signal != 0;
}

void KeeperWatch::find() {
  first_ = inherited_pidfd(kept_pidfd);
  is_kept_ = static_cast<bool>(first_);
  if (first_) seen_.pid = ::getppid();
}

runtime::Task<void> KeeperWatch::run() {
  if (ends_with_keeper() || !is_kept_) co_return;
  if (first_) {
    co_await runtime::until_readable(fence_.reactor, first_.get());
    first_.reset();
    note_end({});
  }
  for (RestartPause pause;;) {
    const auto since = fence_.reactor.clock().now();
    if (!child_) start();
    if (child_) {
      co_await child_->ended.wait();
      note_end(child_->status);
      child_.reset();
    }
    co_await fence_.reactor.sleep(pause.next(fence_.reactor.clock().now() - since));
  }
}

/// Not in a group: it must outlive this process, and what a successor clears.
void KeeperWatch::start() {
  const auto self = runtime::open_pidfd(::getpid());
  auto keeper = self ? [&] {
    auto spawn = partner(argv_, lock_, *self);
    spawn.oom_score_adj = fence_.oom.found;
    return fence_.processes.spawn(spawn);
  }()
                     : std::unexpected(self.error());
  if (keeper) {
    child_ = std::move(*keeper);
    seen_.pid = child_->pid;
    if (!std::exchange(is_asked_, false)) ++seen_.restarts;
    started_.pulse();
    return;
  }
  seen_.last_exit = cannot("start " + argv_.front(), keeper.error()).error().detail;
  runtime::log::error("supervisor", "the keeper: {}", seen_.last_exit);
}

runtime::Task<Result<void>> KeeperWatch::replace() {
  if (!is_kept_) co_return base::fail(ProviderErrorKind::not_found, "the supervisor has no keeper");
  if (ends_with_keeper()) {
    co_return base::fail(ProviderErrorKind::failed,
                         "it is a command in the foreground, with which the mesh ends");
  }
  // It would pass other signals on.
  is_asked_ = true;
  if (first_) (void)runtime::send_signal(first_.get(), SIGKILL);
  if (child_ && child_->is_running()) ::kill(child_->pid, SIGKILL);
  co_await started_.wait();
  co_return Result<void>();
}

CarriedKeeper KeeperWatch::carry() const {
  return {.pidfd = first_.get(),
          .child = child_ ? process::carry(*child_) : CarriedProcess{},
          .seen = seen_,
          .is_kept = is_kept_,
          .is_asked = is_asked_};
}

void KeeperWatch::resume(const CarriedKeeper& carried) {
  first_ = take_carried(carried.pidfd);
  if (carried.child.pid > 0) child_ = fence_.processes.adopt(carried.child);
  seen_ = carried.seen;
  is_kept_ = carried.is_kept;
  is_asked_ = carried.is_asked;
}

void KeeperWatch::note_end(const runtime::ExitStatus& how) {
  seen_.pid = -1;
  lock_.sign();
  if (is_asked_) return;
  seen_.last_exit = how.to_string();
  runtime::log::warning("supervisor", "the keeper ended ({}) and is started again", seen_.last_exit);
}

}  // namespace weft::provider::process
