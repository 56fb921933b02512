#include "provider/process/attendant.h"

#include <signal.h>

#include "provider/process/descriptors.h"
#include "runtime/log.h"

namespace weft::provider::process {
namespace {

/// After SIGKILL; longer only if it sleeps in the kernel.
constexpr auto kill_limit = std::chrono::seconds(5);

}  // namespace

Attendant::Attendant(Fence& fence, std::string name, Program program, std::string log_path, LogLimits logs,
                     bool echo)
    : fence_(fence),
      name_(std::move(name)),
      program_(std::move(program)),
      log_(std::move(log_path), logs),
      echo_(echo) {
  program_.oom_score_adj = fence.oom.own;
}

bool Attendant::cannot_start(runtime::IoError error) {
  seen_.last_exit = cannot("start", error).error().detail;
  runtime::log::error("supervisor", "the {} ({}): {}", name_, program_.argv.front(), seen_.last_exit);
  return false;
}

bool Attendant::start() {
  auto pipe = output_pipe();
  if (!pipe) return cannot_start(pipe.error());
  program_.output = pipe->second.get();
  group_ = std::make_unique<Group>(fence_, name_);
  auto started = group_->start(program_);
  if (!started) return cannot_start(started.error());
  main_ = *started;
  seen_.pid = main_->pid;
  output_.spawn(copy_output(fence_.reactor, std::move(pipe->first), log_, echo_));
  return true;
}

runtime::Task<bool> Attendant::run(bool until_success) {
  if (program_.argv.empty()) co_return false;
  while (!finishing_) {
    auto since = fence_.reactor.clock().now();
    if (start()) {
      co_await main_->ended.wait();
      seen_.pid = -1;
      seen_.last_exit = main_->status.to_string();
      co_await group_->kill();
      if (until_success && main_->status.code == 0) co_return true;
      if (finishing_) break;
      runtime::log::warning("supervisor", "the {} ended ({}) and is started again", name_, seen_.last_exit);
    }
    ++seen_.restarts;
    const auto pause = pause_.next(fence_.reactor.clock().now() - since);
    if (pause > base::Duration::zero()) co_await runtime::within(fence_.reactor, pause, until(finish_));
  }
  co_return false;
}

void Attendant::finish() {
  finishing_ = true;
  finish_.set();
}

runtime::Task<void> Attendant::stop(std::chrono::milliseconds grace) {
  finish();
  if (!main_ || !main_->is_running()) co_return;
  group_->signal(SIGTERM);
  if (co_await runtime::within(fence_.reactor, grace, until(main_->ended))) co_return;
  runtime::log::warning("supervisor", "the {} is killed: it did not end within {} ms", name_, grace.count());
  group_->signal(SIGKILL);
  co_await runtime::within(fence_.reactor, kill_limit, until(main_->ended));
}

OwnProcess Attendant::status() const { return seen_; }

}  // namespace weft::provider::process
