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
  for (RestartPause pause;;) {
    const auto since = fence_.reactor.clock().now();
    if (!first_ && !child_) (void)start();
    if (first_ || child_) {
      if (co_await runtime::first(until_end(), until(replaced_)) == 1) continue;
      note_end(child_ ? child_->status : runtime::ExitStatus());
      first_.reset();
      child_.reset();
    }
    co_await fence_.reactor.sleep(pause.next(fence_.reactor.clock().now() - since));
  }
}

runtime::Task<void> KeeperWatch::until_end() {
  if (child_) {
    co_await child_->ended.wait();
  } else {
    co_await runtime::until_readable(fence_.reactor, first_.get());
  }
}

/// Not in a group: it must outlive this process, and what a successor clears.
Result<void> KeeperWatch::start() {
  const bool has_failed = !std::exchange(is_asked_, false);
  const auto self = runtime::open_pidfd(::getpid());
  auto keeper = self ? [&] {
    auto spawn = partner(argv_, lock_, *self);
    spawn.oom_score_adj = fence_.oom.found;
    return fence_.processes.spawn(spawn);
  }()
                     : std::unexpected(self.error());
  if (!keeper) {
    auto failed = cannot("start " + argv_.front(), keeper.error());
    seen_.last_exit = failed.error().detail;
    runtime::log::error("supervisor", "the keeper: {}", seen_.last_exit);
    return failed;
  }
  child_ = std::move(*keeper);
  seen_.pid = child_->pid;
  if (has_failed) ++seen_.restarts;
  return {};
}

/// Nothing runs between the new one's start and the other's end, and that gets no time to do anything: there
/// is never none, and never are there two that start a supervisor.
Result<void> KeeperWatch::replace() {
  if (!is_kept_) {
    return base::fail(
        ProviderErrorKind::not_seen,
        "it is not seen, for it is of an older build: it starts the supervisor again if that is killed");
  }
  if (ends_with_keeper()) {
    return base::fail(ProviderErrorKind::failed,
                      "it is a command in the foreground, with which the mesh ends");
  }
  lock_.sign();  // until the new one does
  const auto before = child_;
  is_asked_ = true;
  if (auto started = start(); !started) return started;
  // It would pass other signals on.
  if (before && before->is_running()) ::kill(before->pid, SIGKILL);
  const auto first = std::move(first_);
  if (first) (void)runtime::send_signal(first.get(), SIGKILL);
  replaced_.pulse();
  return {};
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
