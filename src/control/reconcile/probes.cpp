// Readiness and liveness of one instance, for as long as its process runs.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "control/reconcile/runner.h"

namespace weft::control::reconcile {
namespace {

const model::Container* container_of(const Instance& self) {
  return self.pod->containers.empty() ? nullptr : &self.pod->containers.front();
}

base::Duration period_of(const model::Probe& probe) {
  return std::chrono::seconds(std::max(1, probe.period_seconds));
}

/// The pauses between probes until the first success.
class FirstPauses {
 public:
  explicit FirstPauses(base::Duration most) : most_(most) {}
  base::Duration next() {
    const auto pause = std::min(pause_, most_);
    pause_ = std::chrono::duration_cast<base::Duration>(pause_ * probe_pause_growth);
    return pause;
  }

 private:
  base::Duration most_;
  base::Duration pause_ = first_probe_pause;
};

runtime::Task<void> forever() {
  runtime::Event never;
  co_await never.wait();
}

}  // namespace

runtime::Task<ProbeResult> Runner::ask(RunPtr self, model::Probe probe) {
  co_return co_await prober_.probe(std::move(probe), {self->id(), self->ports});
}

runtime::Task<void> Runner::watch_readiness(RunPtr self) {
  co_await self->startup_done.wait();
  const auto* container = container_of(*self);
  const auto probe = container && container->readiness_probe ? container->readiness_probe
                                                             : default_readiness_probe(self->ports);
  if (!probe) {
    if (self->ready) co_return;  // an adopted one
    co_await reactor_.sleep(unprobed_ready_after);
    co_return co_await set_ready(self, true, {});
  }
  bool was_ready = self->ready;  // an adopted one
  if (!was_ready) co_await reactor_.sleep(std::chrono::seconds(probe->initial_delay_seconds));
  FirstPauses pauses(period_of(*probe));
  int successes = 0;
  int failures = 0;
  for (;;) {
    const auto result = co_await ask(self, *probe);
    successes = result.success ? successes + 1 : 0;
    failures = result.success ? 0 : failures + 1;
    if (!self->ready && successes >= probe->success_threshold) {
      was_ready = true;
      co_await set_ready(self, true, {});
    } else if (self->ready && failures >= probe->failure_threshold) {
      co_await set_ready(self, false, result.message);
    } else if (!self->ready && !result.success) {
      note_not_ready(*self, result.message);
    }
    co_await reactor_.sleep(was_ready ? period_of(*probe) : pauses.next());
  }
}

void Runner::note_startup(Run& self) {
  self.has_started = true;
  self.startup_done.set();
}

void Runner::note_not_ready(Run& self, const std::string& message) {
  const bool is_new = reactor_.clock().now() - self.running_since < not_ready_shown_after;
  if (is_new || (self.reason == "NotReady" && self.message == message)) return;
  self.reason = "NotReady";
  self.message = message;
  observer_.record(self, EventType::warning, "Unhealthy", "readiness probe: " + message);
  observer_.changed(self);
}

runtime::Task<void> Runner::set_ready(RunPtr self, bool ready, std::string message) {
  self->ready = ready;
  self->ready_since = reactor_.clock().wall();
  const auto* workload = world_.find_workload(self->workload);
  self->has_settled = !workload || workload->min_ready() == base::Duration::zero();
  self->reason = ready ? "" : "NotReady";
  self->message = message;
  observer_.record(*self, ready ? EventType::normal : EventType::warning, ready ? "Ready" : "Unhealthy",
                   ready ? "ready" : "readiness probe: " + message);
  observer_.changed(*self);
  // So that a control plane that comes after this one knows it.
  const auto since = base::format_rfc3339_micro(self->ready_since);
  (void)co_await provider_.note(self->id(), ready ? fmt::format("{} {}", note_of_ready, since) : "");
}

runtime::Task<bool> Runner::await_startup(RunPtr self) {
  const auto* container = container_of(*self);
  if (!container || !container->startup_probe || self->startup_done.is_set()) {
    note_startup(*self);
    co_return true;
  }
  const auto& probe = *container->startup_probe;
  const auto period = period_of(probe);
  co_await reactor_.sleep(std::chrono::seconds(probe.initial_delay_seconds));
  const auto limit = reactor_.clock().now() + period * probe.failure_threshold;
  FirstPauses pauses(period);
  for (int successes = 0;;) {
    const auto result = co_await ask(self, probe);
    successes = result.success ? successes + 1 : 0;
    if (successes >= probe.success_threshold) break;
    if (!result.success) {
      note_not_ready(*self, result.message);
      if (reactor_.clock().now() >= limit) {
        self->reason = "StartupProbeFailed";
        self->message = result.message;
        observer_.record(*self, EventType::warning, "Unhealthy", "startup probe: " + result.message);
        co_return false;
      }
    }
    co_await reactor_.sleep(pauses.next());
  }
  note_startup(*self);
  observer_.changed(*self);
  co_return true;
}

runtime::Task<void> Runner::watch_liveness(RunPtr self) {
  if (!co_await await_startup(self)) co_return;
  const auto* container = container_of(*self);
  if (!container || !container->liveness_probe) co_return co_await forever();
  const auto& probe = *container->liveness_probe;
  co_await reactor_.sleep(std::chrono::seconds(probe.initial_delay_seconds));
  for (int failures = 0;;) {
    const auto result = co_await ask(self, probe);
    failures = result.success ? 0 : failures + 1;
    if (failures >= probe.failure_threshold) {
      self->reason = "LivenessProbeFailed";
      self->message = result.message;
      observer_.record(*self, EventType::warning, "Unhealthy", "liveness probe: " + result.message);
      co_return;
    }
    co_await reactor_.sleep(period_of(probe));
  }
}

}  // namespace weft::control::reconcile
