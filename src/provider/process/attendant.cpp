#include "provider/process/attendant.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>

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

Attendant::Pointer Attendant::cannot_start(runtime::IoError error) {
  seen_.last_exit = cannot("start " + program_.argv.front(), error).error().detail;
  runtime::log::error("supervisor", "the {}: {}", name_, seen_.last_exit);
  return nullptr;
}

Attendant::Pointer Attendant::start() {
  auto pipe = output_pipe();
  if (!pipe) return cannot_start(pipe.error());
  program_.output = pipe->second.get();
  // One may still be there when the next begins: each has a group of its own.
  const auto group = starts_ == 0 ? name_ : fmt::format("{}.{}", name_, starts_);
  ++starts_;
  auto run = std::make_shared<Run>(fence_, group);
  auto started = run->group.start(program_);
  if (!started) return cannot_start(started.error());
  run->main = *started;
  seen_.pid = run->main->pid;
  read_output(*run, std::move(pipe->first));
  return run;
}

void Attendant::read_output(Run& run, runtime::Fd pipe) {
  run.pipe = pipe.get();
  run.output.spawn(copy_output(fence_.reactor, std::move(pipe), log_, echo_));
}

runtime::Task<bool> Attendant::run(bool until_success) {
  if (program_.argv.empty()) co_return false;
  while (!finishing_) {
    auto since = fence_.reactor.clock().now();
    if (!current_) current_ = start();
    if (const auto run = current_) {
      co_await runtime::first(until(run->main->ended), until(changed_));
      // Another one has taken its place, or may do so; who does that tells of it.
      if (is_changing_ && run == current_ && !run->main->is_running()) co_await changed_.wait();
      if (run != current_ || run->main->is_running() || is_changing_) continue;
      seen_.pid = -1;
      seen_.last_exit = run->main->status.to_string();
      // It is carried until nothing of it is left, for else nobody would end the rest, nor know how it ended.
      co_await run->group.kill();
      current_.reset();
      if (until_success && run->main->status.code == 0) co_return true;
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

/// What restart() and replace() do goes on also if who asked for it has gone.
struct Attendant::Change {
  runtime::Event is_over;
  Result<void> result;
};

runtime::Task<Result<void>> Attendant::change(runtime::Task<Result<void>> work) {
  if (finishing_ || !current_ || !current_->main->is_running())
    co_return base::fail(ProviderErrorKind::failed, fmt::format("no {} runs", name_));
  if (is_changing_) {
    co_return base::fail(ProviderErrorKind::already_exists,
                         fmt::format("the {} is being replaced already", name_));
  }
  is_changing_ = true;
  const auto begun = std::make_shared<Change>();
  scope_.spawn(carry_out(std::move(work), begun));
  co_await begun->is_over.wait();
  co_return begun->result;
}

runtime::Task<void> Attendant::carry_out(runtime::Task<Result<void>> work, std::shared_ptr<Change> begun) {
  begun->result = co_await std::move(work);
  is_changing_ = false;
  changed_.pulse();
  begun->is_over.set();
}

runtime::Task<void> Attendant::until_replaced() {
  while (is_changing_) co_await changed_.wait();
}

runtime::Task<Result<void>> Attendant::restart(int signal, std::chrono::milliseconds grace,
                                               std::chrono::milliseconds limit) {
  return change(end_and_start(signal, grace, limit));
}

runtime::Task<Result<void>> Attendant::replace(std::chrono::milliseconds limit) {
  return change(start_beside(limit));
}

runtime::Task<Result<void>> Attendant::until_serves(Pointer run, std::chrono::milliseconds limit) {
  co_await runtime::within(fence_.reactor, limit,
                           runtime::first(until(run->serves), until(run->main->ended)));
  if (run->serves.is_set()) co_return Result<void>();
  const auto why = run->main->is_running() ? std::string("it did not serve in time")
                                           : "it ended: " + run->main->status.to_string();
  co_return base::fail(ProviderErrorKind::failed, fmt::format("the new {} does not serve: {}", name_, why));
}

runtime::Task<Result<void>> Attendant::end_and_start(int signal, std::chrono::milliseconds grace,
                                                     std::chrono::milliseconds limit) {
  const auto before = current_;
  before->group.signal(signal);
  if (!co_await runtime::within(fence_.reactor, grace, until(before->main->ended))) {
    before->group.signal(SIGKILL);
    co_await before->main->ended.wait();
  }
  co_await before->group.kill();
  if (finishing_) co_return base::fail(ProviderErrorKind::unavailable, "the mesh is stopping");
  seen_.pid = -1;
  current_ = start();  // if it cannot, run() tries again
  if (!current_) co_return base::fail(ProviderErrorKind::failed, seen_.last_exit);
  co_return co_await until_serves(current_, limit);
}

runtime::Task<Result<void>> Attendant::start_beside(std::chrono::milliseconds limit) {
  const auto before = current_;
  const auto next = start();
  if (!next) co_return base::fail(ProviderErrorKind::failed, seen_.last_exit);
  before_.push_back(before);
  current_ = next;
  auto serves = co_await until_serves(next, limit);
  if (serves) {
    if (!next->relieves) before->group.signal(SIGTERM);
    scope_.spawn(see_out(before));
    co_return serves;
  }
  next->group.signal(SIGKILL);
  before_.remove(before);
  before_.push_back(next);
  scope_.spawn(see_out(next));
  current_ = before;  // if it has ended meanwhile, run() sees it
  seen_.pid = before->main->pid;
  co_return serves;
}

void Attendant::serves(pid_t pid, bool relieves) {
  if (!current_ || current_->main->pid != pid) return;
  current_->relieves = relieves;
  current_->serves.set();
}

runtime::Task<void> Attendant::see_out(Pointer run) {
  co_await run->main->ended.wait();
  co_await run->group.kill();
  before_.remove(run);
}

bool Attendant::has_running() const {
  const auto is_running = [](const Pointer& run) { return run->main->is_running(); };
  return (current_ && is_running(current_)) || std::ranges::any_of(before_, is_running);
}

void Attendant::signal_all(int number) {
  if (current_) current_->group.signal(number);
  for (const auto& run : before_) run->group.signal(number);
}

runtime::Task<void> Attendant::until_all_ended() {
  std::vector<Pointer> all(before_.begin(), before_.end());
  if (current_) all.push_back(current_);
  for (const auto& run : all) co_await run->main->ended.wait();
}

runtime::Task<void> Attendant::stop(std::chrono::milliseconds grace) {
  finish();
  if (!has_running()) co_return;
  signal_all(SIGTERM);
  if (co_await runtime::within(fence_.reactor, grace, until_all_ended())) co_return;
  runtime::log::warning("supervisor", "the {} is killed: it did not end within {} ms", name_, grace.count());
  signal_all(SIGKILL);
  co_await runtime::within(fence_.reactor, kill_limit, until_all_ended());
}

OwnProcess Attendant::status() const {
  auto status = seen_;
  for (const auto& run : before_)
    if (run->main->is_running()) status.before.push_back(run->main->pid);
  return status;
}

CarriedOwn Attendant::carry() {
  log_.flush(fence_.reactor.clock().wall());
  CarriedOwn carried{.seen = seen_, .starts = starts_, .has_current = current_ != nullptr, .runs = {}};
  const auto add = [&](const Run& run) {
    carried.runs.push_back(
        {.group = run.group.name(),
         .has_cgroup = run.group.has_cgroup(),
         .main = process::carry(*run.main),
         .output = {run.output.size() > 0 ? run.pipe : -1, log_.is_within_line(), log_.lost_lines()}});
  };
  for (const auto& run : before_) add(*run);
  if (current_) add(*current_);
  return carried;
}

void Attendant::resume(CarriedOwn carried) {
  seen_ = std::move(carried.seen);
  starts_ = carried.starts;
  for (const auto& one : carried.runs) {
    auto run = std::make_shared<Run>(fence_, one.group);
    run->main = fence_.processes.adopt(one.main);
    run->group.adopt(run->main, one.has_cgroup);
    log_.resume(one.output.is_within_line, one.output.lost_lines);
    if (one.output.pipe >= 0) read_output(*run, take_carried(one.output.pipe));
    before_.push_back(std::move(run));
  }
  if (carried.has_current && !before_.empty()) {
    current_ = before_.back();
    before_.pop_back();
  }
  for (const auto& run : before_) scope_.spawn(see_out(run));
}

}  // namespace weft::provider::process
