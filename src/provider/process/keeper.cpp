#include "provider/process/keeper.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "base/clock.h"
#include "provider/process/descriptors.h"
#include "provider/process/group.h"
#include "provider/process/oom.h"
#include "provider/process/restart_pause.h"
#include "provider/process/state_file.h"
#include "runtime/combine.h"
#include "runtime/file_identity.h"
#include "runtime/log.h"
#include "runtime/signals.h"

namespace weft::provider::process {
namespace {

constexpr std::string_view room = "keeper";

class Keeper {
 public:
  Keeper(runtime::Reactor& reactor, KeeperOptions options, const runtime::HomeLock& lock)
      : reactor_(reactor),
        options_(std::move(options)),
        lock_(lock),
        signals_(reactor, {SIGTERM, SIGINT, SIGHUP}),
        oom_score_(runtime::oom_score_adj()),
        restarts_(options_.adopted_restarts.value_or(0)) {
    (void)runtime::set_oom_score_adj(protected_oom_score(oom_score_));
    if (!options_.adopted_restarts) return;
    adopted_.emplace(-1, runtime::Fd(kept_pidfd));
    lock_.sign();  // from here on it passes on what the holder is sent
  }

  runtime::Task<int> run() {
    while (true) {
      const auto since = reactor_.clock().now();
      const auto before = socket_now();
      auto child = adopted_ ? *std::exchange(adopted_, std::nullopt) : start();
      if (child) {
        runtime::ExitStatus end;
        co_await runtime::first(until_end(child->pidfd.get(), &end), pass_signals_on(child->pidfd.get()));
        if (end.code == 0 || (end.code && is_stopping_)) co_return *end.code;
        if (is_stopping_) break;
        last_end_ = fmt::format("{} at {}", end.to_string(), base::format_rfc3339(reactor_.clock().wall()));
        // It could not start, and has said why; not so another program in the place of one that had begun.
        if (end.code && restarts_ == 0 && socket_now() == before) co_return *end.code;
        runtime::log::warning(room, "the supervisor ended ({}) and is started again", last_end_);
      } else {
        runtime::log::error(room, "{}", cannot("start the supervisor", child.error()).error().detail);
        if (restarts_ == 0) co_return 1;
      }
      ++restarts_;
      const auto pause = pause_.next(reactor_.clock().now() - since);
      if (co_await runtime::within(reactor_, pause, signals_.next())) break;
    }
    co_await clear_what_it_left();
    co_return 0;
  }

 private:
  /// That of a supervisor which has begun is another one than was there before.
  runtime::FileIdentity socket_now() const { return runtime::identity_of(options_.home.supervisor_socket()); }

  runtime::IoResult<runtime::Child> start() const {
    const auto self = runtime::open_pidfd(::getpid());
    if (!self) return std::unexpected(self.error());
    auto spawn = partner(options_.supervisor, lock_, *self);
    spawn.argv.push_back(fmt::format("--restarts={}", restarts_));
    if (!last_end_.empty()) spawn.argv.push_back("--last-end=" + last_end_);
    spawn.parent_death_signal = options_.with_us ? SIGTERM : 0;
    spawn.oom_score_adj = oom_score_;
    return runtime::spawn(spawn);
  }

  /// As a successor would.
  runtime::Task<void> clear_what_it_left() {
    const auto state = load_state(options_.home.supervisor_state());
    co_await clear_remains(reactor_, state.identity, state.cgroup_root);
    options_.home.remove_run_folder();
  }

  runtime::Task<void> until_end(int pidfd, runtime::ExitStatus* end) {
    *end = co_await runtime::wait_exit(reactor_, pidfd);
  }

  runtime::Task<void> pass_signals_on(int pidfd) {
    while (true) {
      const int signal = co_await signals_.next();
      is_stopping_ = true;
      (void)runtime::send_signal(pidfd, signal);
    }
  }

  runtime::Reactor& reactor_;
  KeeperOptions options_;
  const runtime::HomeLock& lock_;
  runtime::Signals signals_;
  int oom_score_;
  bool is_stopping_ = false;
  int restarts_;
  std::optional<runtime::Child> adopted_;  // until it is waited for
  std::string last_end_;
  RestartPause pause_;
};

}  // namespace

runtime::SpawnOptions partner(std::vector<std::string> argv, const runtime::HomeLock& lock,
                              const runtime::Fd& self) {
  runtime::SpawnOptions spawn;
  spawn.argv = std::move(argv);
  for (char** entry = environ; *entry != nullptr; ++entry) spawn.environment.emplace_back(*entry);
  spawn.fds = {{STDOUT_FILENO, STDOUT_FILENO},
               {STDERR_FILENO, STDERR_FILENO},
               {lock.fd(), kept_lock},
               {self.get(), kept_pidfd}};
  return spawn;
}

runtime::Task<int> keep(runtime::Reactor& reactor, KeeperOptions options) {
  auto lock = options.adopted_restarts ? runtime::HomeLock::inherited(runtime::Fd(kept_lock))
                                       : runtime::HomeLock::take(options.home.supervisor_lock());
  if (!lock) {
    runtime::log::error(room, "{}", lock.error().detail);
    co_return 1;
  }
  Keeper keeper(reactor, std::move(options), *lock);
  co_return co_await keeper.run();
}

}  // namespace weft::provider::process
