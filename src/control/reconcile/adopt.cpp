// What runs already when the control plane begins: its own from before, and orphans.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/counted.h"
#include "control/reconcile/engine.h"
#include "control/reconcile/workload_status.h"
#include "runtime/log.h"

namespace weft::control::reconcile {
namespace {

std::string label_of(const provider::Instance& instance, std::string_view name) {
  const auto at = instance.labels.find(std::string(name));
  return at == instance.labels.end() ? std::string() : at->second;
}

int number_of(const std::string& text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::set<std::string> split(const std::string& text) {
  std::set<std::string> parts;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find(',', at), text.size());
    if (end > at) parts.insert(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

/// The workload and the name of an instance; nothing if its labels are not weft's.
std::optional<std::pair<model::Ref, std::string>> identify(const provider::Instance& instance) {
  const auto slash = instance.id.find('/');
  const auto name = label_of(instance, model::label::workload);
  const auto kind = label_of(instance, model::label::kind);
  if (slash == std::string::npos || name.empty()) return {};
  const auto ref = ref_of({kind, instance.id.substr(0, slash), name});
  if (!ref || ref->kind == model::DependencyKind::service) return {};
  return std::pair(*ref, instance.id.substr(slash + 1));
}

}  // namespace

runtime::Task<std::expected<void, std::string>> Engine::adopt() {
  auto listed = co_await provider_.list();
  if (!listed) co_return std::unexpected("the instances cannot be listed: " + listed.error().detail);
  std::ranges::sort(*listed, {}, &provider::Instance::started_at);
  for (const auto& found : *listed) adopt_one(found);
  for (auto& [ref, workload] : world_.workloads()) {
    if (!workload.job || !workload.is_stored) continue;
    if (const auto object = store_.get(key_of(ref))) restore_job(workload, *object);
    judge_job(workload);
  }
  world_.refresh_graph();
  // Their addresses are known before anything is published, so that nothing is taken from the proxies.
  Addresses::Keys keys;
  for (const auto& [id, instance] : world_.instances()) {
    for (const auto& bound : instance->ports) {
      keys.insert(compile::inbound_key(instance->ns(), instance->name, bound.port.number));
    }
  }
  (void)co_await addresses_.ensure(std::move(keys));
  if (!listed->empty())
    runtime::log::info("reconcile", "adopted {}", base::counted(world_.instances().size(), "instance"));
  is_adopted_ = true;
  co_return std::expected<void, std::string>();
}

void Engine::adopt_one(const provider::Instance& found) {
  const auto identity = identify(found);
  if (!identity) {
    runtime::log::warning("reconcile", "instance {} has no labels of weft: it is left alone", found.id);
    return;
  }
  auto self = std::make_shared<Instance>();
  self->workload = identity->first;
  self->name = identity->second;
  self->number = next_number_++;
  self->revision = label_of(found, model::label::template_hash);
  self->dependencies = split(label_of(found, instance_label::dependencies));
  self->owner_uid = label_of(found, instance_label::owner_uid);
  self->restarts = number_of(label_of(found, instance_label::restarts));
  world_.add(self);
  auto& workload = *world_.find_workload(self->workload);
  self->pod = std::make_shared<const model::PodSpec>(workload.pod_template().spec);
  self->is_known = true;
  self->created_at = self->started_at = found.started_at;
  self->running_since = reactor_.clock().now();
  self->ports = found.ports;
  self->last_exit = found.exit;
  if (found.phase == provider::Phase::exited) {
    self->state = State::waiting;
    if (!is_restarted(*self)) finish(*self);
  } else {
    self->state = State::running;
    self->has_process = true;
    self->pid = found.pid;
    // Known to have been well: it stays an endpoint, and its probes say if that has changed.
    self->ready = self->was_ready = found.note == "ready";
    if (self->ready) self->startup_done.set();
    if (found.phase == provider::Phase::stopping) {
      // Its end was begun, and is brought to an end.
      self->draining = true;
      self->stop.set();
    }
  }
}

}  // namespace weft::control::reconcile
