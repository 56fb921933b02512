// One instance of this machine from its start to its end: start, run, back off and again, until it has
// finished or is taken out.
#include <fmt/format.h>

#include <algorithm>

#include "control/reconcile/environment.h"
#include "control/reconcile/runner.h"
#include "control/reconcile/volumes.h"
#include "runtime/log.h"

namespace weft::control::reconcile {
namespace {

runtime::Task<void> either(runtime::Event& a, runtime::Event& b) {
  co_await runtime::first(until(a), until(b));
}
runtime::Task<void> pause(runtime::Reactor& reactor, base::Duration duration) {
  co_await reactor.sleep(duration);
}

/// What it is to be given is not there, or not well.
constexpr std::string_view wrong_config_reason = "CreateContainerConfigError";

/// The reason of a container that could not be started, as Kubernetes words it.
std::string_view reason_of(provider::ProviderErrorKind kind) {
  using enum provider::ProviderErrorKind;
  switch (kind) {
    case image_not_found: return "ImageNotFound";
    case image_not_executable: return "ImageNotExecutable";
    case no_free_port: return "NoFreePort";
    case port_in_use: return "PortInUse";
    case wrong_config: return wrong_config_reason;
    case not_found: return "NotFound";
    case already_exists: return "AlreadyExists";
    case unavailable: return "ProviderUnavailable";
    case timed_out:
    case not_seen:
    case failed: return "StartError";
  }
  return "StartError";
}

std::string join(const std::set<std::string>& parts) { return fmt::format("{}", fmt::join(parts, ",")); }

}  // namespace

runtime::Task<void> Runner::live(RunPtr self) {
  observer_.changed(*self);
  if (self->state == State::running) co_await refresh_volumes(self);  // one that was adopted
  while (!self->stop.is_set()) {
    if (self->state == State::starting) co_await start_process(self);
    if (self->state == State::running) co_await run_process(self);
    if (self->stop.is_set()) break;
    if (self->state == State::finished || !is_restarted_(*self)) {
      finish(*self);
      co_await self->stop.wait();
      break;
    }
    co_await back_off(self);
  }
  co_await take_down(self);
}

runtime::Task<void> Runner::start_process(RunPtr self) {
  self->has_process = true;
  self->exited.clear();
  self->startup_done.clear();
  self->has_started = false;
  self->pid = -1;
  auto spec = co_await spec_for(self);
  if (!spec) {
    note_start_failure(*self, spec.error());
    co_return;
  }
  // What it needs is ready; its proxy has to know that too before it makes its first call.
  if (!self->dependencies.empty()) co_await publisher_.flush_and_settle(self->workload);
  auto started = co_await provider_.start(std::move(*spec));
  if (!started) {
    note_start_failure(*self, started.error());
    co_return;
  }
  note_started(*self, *started);
  // They may have changed since they were read.
  co_await refresh_volumes(self);
}

/// What a new control plane, and whoever looks for its log, knows it by.
std::map<std::string, std::string> Runner::labels_of(const Run& self) const {
  std::map<std::string, std::string> labels;
  if (const auto* workload = world_.find_workload(self.workload)) {
    std::size_t bytes = 0;
    for (const auto& [name, value] : workload->pod_template().metadata.labels)
      bytes += name.size() + value.size();
    if (bytes <= carried_label_bytes) labels = workload->pod_template().metadata.labels;
  }
  labels = with_own_labels(std::move(labels), self);
  labels[std::string(instance_label::dependencies)] = join(self.dependencies);
  labels[std::string(instance_label::owner_uid)] = self.owner_uid;
  labels[std::string(instance_label::restarts)] = std::to_string(self.restarts);
  return labels;
}

runtime::Task<provider::Result<provider::InstanceSpec>> Runner::spec_for(RunPtr self) {
  const auto node = [&]() -> const model::Workload* {
    const auto index = world_.graph().find(self->workload);
    return index ? &world_.graph().workloads()[*index] : nullptr;
  };
  // The instance learns the addresses of its dependencies from its environment: they come first.
  if (const auto* workload = node()) {
    auto reserved = co_await addresses_.ensure(environment_keys(world_, *workload));
    if (!reserved) co_return std::unexpected(reserved.error());
  }
  const auto& pod = *self->pod;
  if (pod.containers.empty())
    co_return base::fail(provider::ProviderErrorKind::failed, "its template has no container");
  const auto& container = pod.containers.front();
  provider::InstanceSpec spec;
  spec.id = self->id();
  spec.image = container.image;
  spec.command = container.command;
  spec.args = container.args;
  if (const auto* workload = node()) {
    auto variables = environment(world_, *workload, *self, addresses_.known());
    if (!variables) co_return std::unexpected(variables.error());
    spec.environment = std::move(*variables);
  }
  auto volumes = volumes_of(world_, *self);
  if (!volumes) co_return std::unexpected(volumes.error());
  spec.volumes = std::move(*volumes);
  spec.run_as = run_as(pod);
  spec.working_directory = container.working_dir;
  for (const auto& port : container.ports) {
    spec.ports.push_back({port.name, static_cast<std::uint16_t>(port.container_port)});
  }
  spec.grace = std::chrono::seconds(pod.termination_grace_period_seconds);
  spec.labels = labels_of(*self);
  co_return spec;
}

void Runner::note_started(Run& self, const provider::Instance& started) {
  self.state = State::running;
  self.is_known = true;
  self.is_pod_known = true;
  self.is_fresh = true;
  self.node = started.node;
  self.pid = started.pid;
  self.ports = started.ports;
  self.started_at = reactor_.clock().wall();
  self.running_since = reactor_.clock().now();
  self.port_fault.clear();
  self.next_look = self.running_since + port_look_pause;
  self.reason.clear();
  self.message.clear();
  self.was_killed = false;
  observer_.record(self, EventType::normal, "Started", fmt::format("process {} runs", started.pid));
  observer_.changed(self);
}

void Runner::note_start_failure(Run& self, const provider::ProviderError& error) {
  self.has_process = false;
  self.state = State::waiting;
  self.reason = reason_of(error.kind);
  self.message = error.detail;
  self.last_exit.reset();
  self.running_since = reactor_.clock().now();
  observer_.record(self, EventType::warning, self.reason, self.message);
  observer_.changed(self);
}

runtime::Task<void> Runner::run_process(RunPtr self) {
  const int first_to_end = co_await runtime::first(either(self->exited, self->stop), watch_process(self));
  if (self->stop.is_set()) co_return;  // it stops while it still runs
  if (first_to_end == 1) co_await kill_process(self);
  co_await look_for_reason(self);
  note_end(*self);
}

runtime::Task<void> Runner::kill_process(RunPtr self) {
  self->was_killed = true;
  self->ready = false;
  observer_.changed(*self);
  begin_grace(*self);
  co_await end_process(self);
}

runtime::Task<void> Runner::end_process(RunPtr self) {
  co_await runtime::first(until(self->exited), pre_stop(self));
  for (auto again = base::Duration(retry_first);; again = std::min<base::Duration>(again * 2, retry_most)) {
    auto stopped = co_await provider_.stop(
        self->id(), std::chrono::duration_cast<std::chrono::milliseconds>(grace_left(*self)));
    if (stopped) {
      if (stopped->exit) self->last_exit = stopped->exit;
      co_return;
    }
    using enum provider::ProviderErrorKind;
    if (stopped.error().kind == not_found || stopped.error().kind == unavailable) co_return;
    runtime::log::warning("reconcile", "{} was not stopped: {}", self->id(), stopped.error().detail);
    co_await reactor_.sleep(again);
  }
}

runtime::Task<void> Runner::look_for_reason(RunPtr self) {
  // One that ends before it was ever ready may have found its port taken.
  const bool is_suspect =
      self->last_exit && exit_code(*self->last_exit) != 0 && !self->ready && !self->was_killed;
  if (!is_suspect || self->ports.empty()) co_return;
  if (auto located = co_await provider_.locate(self->id(), is_alone(*self)))
    self->port_fault = std::move(located->fault);
}

std::string Runner::describe_end(const Run& self) {
  if (!self.last_exit) return "unknown";
  return to_string(*self.last_exit) + (self.port_fault.empty() ? "" : "; " + self.port_fault);
}

void Runner::note_end(Run& self) {
  self.has_process = false;
  self.ready = false;
  self.pid = -1;
  self.state = State::waiting;
  const auto how = describe_end(self);
  if (!self.was_killed) {
    self.reason = self.last_exit && exit_code(*self.last_exit) == 0 ? "Completed" : "Error";
    self.message = how;
  }
  const bool is_expected = self.has_succeeded() || self.reason == "Completed";
  observer_.record(self, is_expected ? EventType::normal : EventType::warning, "Exited", how);
  runtime::log::info("reconcile", "{} {} ended: {}", self.workload.to_string(), self.name, how);
  observer_.changed(self);
}

void Runner::finish(Run& self) {
  self.state = State::finished;
  if (self.has_succeeded()) self.reason.clear();
  observer_.finished(self);
}

runtime::Task<void> Runner::back_off(RunPtr self) {
  self->config_changed.clear();
  const auto delay = self->backoff.next(reactor_.clock().now() - self->running_since);
  // The first end is nothing but that; what ends again and again is in a loop.
  if (self->last_exit && self->restarts > 0) {
    self->message = fmt::format("{}; restarts in {}", describe_end(*self), base::format_duration(delay));
    self->reason = "CrashLoopBackOff";
    observer_.record(*self, EventType::warning, "BackOff",
                     fmt::format("restarts again after {}", to_string(*self->last_exit)));
    observer_.changed(*self);
  }
  co_await runtime::first(pause(reactor_, delay), either(self->stop, self->config_changed));
  if (self->stop.is_set()) co_return;
  if (!is_restarted_(*self)) co_return;
  if (self->last_exit) ++self->restarts;
  self->state = State::starting;
}

runtime::Task<void> Runner::refresh_volumes(RunPtr self) {
  if (!self->is_pod_known || self->is_leaving() || !has_config_volumes(*self->pod)) co_return;
  // What is deleted while it is used stays as it was, as in Kubernetes.
  auto volumes = volumes_of(world_, *self);
  if (!volumes) co_return;
  const auto refreshed = co_await provider_.refresh(self->id(), std::move(*volumes), run_as(*self->pod));
  // Of one that has gone meanwhile nothing is left that could have been refreshed.
  if (refreshed || self->is_leaving() || self->state != State::running) co_return;
  observer_.record(*self, EventType::warning, "FailedMount", refreshed.error().detail);
}

runtime::Task<bool> Runner::refresh(std::string id) {
  const auto at = runs_.find(id);
  if (at != runs_.end() && at->second->state == State::running) co_await refresh_volumes(at->second);
  co_return true;
}

void Runner::config_changed(const std::optional<store::Key>& config) {
  // A copy: what is woken may be erased at once.
  for (const auto& [id, self] : std::map(runs_)) {
    if (config && self->ns() != config->ns) continue;
    if (self->reason == wrong_config_reason) self->config_changed.set();
    if (self->state == State::running && has_config_volumes(*self->pod, config)) refreshes_.add(id);
  }
}

runtime::Task<void> Runner::take_down(RunPtr self) {
  // How one ended that has counts until it is gone: see count_gone().
  if (self->state != State::finished) self->state = State::stopping;
  self->draining = true;
  observer_.changed(*self);
  if (self->has_process) co_await stop_process(self);
  // Without ports it has no listeners: the publisher gives their addresses back once the proxies know.
  if (!std::exchange(self->ports, {}).empty()) co_await publisher_.flush_and_settle(self->workload);
  if (self->is_known || !self->pod->volumes.empty()) {
    auto removed = co_await provider_.remove(self->id());
    if (!removed && removed.error().kind != provider::ProviderErrorKind::not_found) {
      runtime::log::warning("reconcile", "{} was not removed: {}", self->id(), removed.error().detail);
    }
  }
  runs_.erase(self->id());
  observer_.gone(*self);
}

runtime::Task<void> Runner::stop_process(RunPtr self) {
  observer_.stopping(*self);
  begin_grace(*self);
  // So that a control plane that comes after this one goes on with it.
  if (!std::exchange(self->leaving_since, self->leaving_since.value_or(reactor_.clock().wall())))
    (void)co_await provider_.note(
        self->id(), std::string(leaving_note) + base::format_rfc3339_micro(*self->leaving_since));
  // First out of the callers' endpoints, and acknowledged; then what is under way ends; then SIGTERM.
  if (!self->ports.empty()) {
    co_await publisher_.flush_and_settle(self->workload);
    co_await runtime::first(until(self->exited), drain(self));
  }
  co_await end_process(self);
  self->has_process = false;
  self->ready = false;
  self->pid = -1;
  const auto how = self->last_exit ? to_string(*self->last_exit) : std::string("stopped");
  observer_.record(*self, EventType::normal, "Stopped", how);
  observer_.stopped(*self);
}

}  // namespace weft::control::reconcile
