// The end of an instance before SIGTERM: what is under way ends, then preStop, all within its grace. And
// postStart.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "control/reconcile/runner.h"

namespace weft::control::reconcile {
namespace {

base::Duration grace_of(const Instance& self) {
  return std::chrono::seconds(self.pod->termination_grace_period_seconds);
}

const model::Lifecycle* lifecycle_of(const Instance& self) {
  if (self.pod->containers.empty() || !self.pod->containers.front().lifecycle) return nullptr;
  return &*self.pod->containers.front().lifecycle;
}

/// As probes have it: rounded up.
std::int32_t seconds_of(base::Duration limit) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(limit).count();
  return static_cast<std::int32_t>(std::min<std::int64_t>(seconds, std::numeric_limits<std::int32_t>::max()));
}

}  // namespace

void Runner::begin_grace(Run& self) const {
  const auto grace = grace_of(self);
  const auto now = reactor_.clock().wall();
  const auto used = std::clamp(now - self.leaving_since.value_or(now), base::Duration::zero(), grace);
  self.grace_ends = reactor_.clock().now() + grace - used;
}

base::Duration Runner::grace_left(const Run& self) const {
  const auto least = std::min<base::Duration>(grace_of(self), least_grace);
  return std::max(self.grace_ends - reactor_.clock().now(), least);
}

runtime::Task<void> Runner::drain(RunPtr self) {
  const auto grace = grace_of(*self);
  const auto limit = self->grace_ends - (grace - grace / drain_share) - reactor_.clock().now();
  if (limit <= base::Duration::zero()) co_return;
  self->drain = std::chrono::duration_cast<std::chrono::milliseconds>(grace / stream_share);
  if (co_await publisher_.drained(self, limit)) co_return;
  observer_.record(*self, EventType::warning, "DrainTimeout",
                   fmt::format("its requests have not ended within {}: it stops all the same",
                               base::format_duration(grace / drain_share)));
}

runtime::Task<std::string> Runner::run_hook(RunPtr self, model::LifecycleHandler hook, base::Duration limit) {
  if (hook.sleep) {
    const base::Duration time = std::chrono::seconds(hook.sleep->seconds);
    co_await reactor_.sleep(std::min(time, limit));
    co_return time <= limit ? std::string()
                            : fmt::format("slept for {} of {} s", seconds_of(limit), hook.sleep->seconds);
  }
  model::Probe action;
  action.exec = std::move(hook.exec);
  action.http_get = std::move(hook.http_get);
  action.timeout_seconds = seconds_of(limit);
  const auto result = co_await runtime::within(reactor_, limit, ask(self, std::move(action)));
  co_return result ? result->message : fmt::format("did not end within {}", base::format_duration(limit));
}

runtime::Task<bool> Runner::post_start(RunPtr self) {
  const auto* lifecycle = lifecycle_of(*self);
  if (!std::exchange(self->is_fresh, false) || !lifecycle || !lifecycle->post_start) co_return true;
  const auto failure = co_await run_hook(self, *lifecycle->post_start, post_start_limit);
  if (failure.empty()) co_return true;
  self->reason = "PostStartHookError";
  self->message = failure;
  observer_.record(*self, EventType::warning, "FailedPostStartHook", failure);
  co_return false;
}

runtime::Task<void> Runner::pre_stop(RunPtr self) {
  const auto* lifecycle = lifecycle_of(*self);
  const auto left = self->grace_ends - reactor_.clock().now();
  if (!lifecycle || !lifecycle->pre_stop || left <= base::Duration::zero()) co_return;
  const auto failure = co_await run_hook(self, *lifecycle->pre_stop, left);
  if (!failure.empty()) observer_.record(*self, EventType::warning, "FailedPreStopHook", failure);
}

}  // namespace weft::control::reconcile
