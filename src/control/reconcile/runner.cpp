// What runs on this machine: what ran already when the control plane began (its own from before, and
// orphans), and what is begun and taken out.
#include "control/reconcile/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/counted.h"
#include "control/reconcile/revisions.h"
#include "runtime/log.h"

namespace weft::control::reconcile {
namespace {

constexpr int name_suffix_length = 5;

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

Runner::Runner(runtime::Reactor& reactor, provider::Provider& provider, Prober& prober, base::Random random,
               const World& world, Addresses& addresses, Publisher& publisher, Observer& observer,
               std::function<bool(const Instance&)> is_restarted)
    : reactor_(reactor),
      provider_(provider),
      prober_(prober),
      random_(random),
      world_(world),
      addresses_(addresses),
      publisher_(publisher),
      observer_(observer),
      is_restarted_(std::move(is_restarted)),
      refreshes_(reactor, refreshes_at_once, [this](std::string id) { return refresh(std::move(id)); }) {}

runtime::Task<std::expected<void, std::string>> Runner::adopt() {
  auto listed = co_await provider_.list();
  if (!listed) co_return std::unexpected("the instances cannot be listed: " + listed.error().detail);
  std::ranges::sort(*listed, {}, &provider::Instance::started_at);
  for (const auto& found : *listed) adopt_one(found);
  if (!listed->empty())
    runtime::log::info("reconcile", "adopted {}", base::counted(runs_.size(), "instance"));
  co_return std::expected<void, std::string>();
}

/// From what set_ready() noted.
void Runner::adopt_readiness(Run& self, std::string_view note, base::Duration min_ready) {
  self.ready = note.starts_with(note_of_ready);
  if (!self.ready) return;
  note.remove_prefix(std::min(note.size(), note_of_ready.size() + 1));
  self.ready_since = base::parse_rfc3339(note).value_or(base::WallTime{});
  self.has_settled = reactor_.clock().wall() - self.ready_since >= min_ready;
  note_startup(self);
}

void Runner::adopt_one(const provider::Instance& found) {
  const auto identity = identify(found);
  if (!identity) {
    runtime::log::warning("reconcile", "instance {} has no labels of weft: it is left alone", found.id);
    return;
  }
  auto self = std::make_shared<Run>();
  self->workload = identity->first;
  self->name = identity->second;
  self->revision = label_of(found, model::label::template_hash);
  self->dependencies = split(label_of(found, instance_label::dependencies));
  self->owner_uid = label_of(found, instance_label::owner_uid);
  self->restarts = number_of(label_of(found, instance_label::restarts));
  add(self);
  const auto& workload = *world_.find_workload(self->workload);
  self->pod = pod_of_template(world_, workload, self->revision);
  self->is_pod_known = self->pod != nullptr;
  if (!self->pod) self->pod = std::make_shared<const model::PodSpec>(workload.pod_template().spec);
  self->is_known = true;
  self->node = found.node;
  self->created_at = self->started_at = found.started_at;
  self->running_since = reactor_.clock().now();
  self->ports = found.ports;
  self->last_exit = found.exit;
  if (found.phase == provider::Phase::exited) {
    self->state = State::waiting;
    if (!is_restarted_(*self)) finish(*self);
  } else {
    self->state = State::running;
    self->has_process = true;
    self->pid = found.pid;
    // Known to have been well: it stays an endpoint, and its probes say if that has changed.
    adopt_readiness(*self, found.note, workload.min_ready());
    const bool is_stopping = found.phase == provider::Phase::stopping;
    if (is_stopping || found.note.starts_with(leaving_note)) {
      // Its end was begun, and is brought to an end. Once it has SIGTERM there is nothing else to wait for.
      self->draining = true;
      self->leaving_since = base::WallTime();
      if (!is_stopping) {
        self->leaving_since = base::parse_rfc3339(std::string_view(found.note).substr(leaving_note.size()));
      }
      stop(*self);
    }
  }
}

runtime::Task<std::string> Runner::run() {
  for (const auto& [id, self] : std::map(runs_)) scope_.spawn(live(self));
  for (;;) {
    auto change = co_await provider_.next_change();
    if (!change) co_return change.error().detail;
    const auto at = runs_.find(change->id);
    if (at == runs_.end() || change->phase != provider::Phase::exited) continue;
    const auto self = at->second;
    // Of the run that is under way, not of one before it.
    if (self->pid != -1 && change->pid != -1 && self->pid != change->pid) continue;
    self->last_exit = change->exit;
    self->exited.set();
  }
}

void Runner::start(const Workload& workload) {
  auto self = std::make_shared<Run>();
  self->workload = workload.ref;
  do {
    self->name = workload.ref.name + "-" + random_.suffix(name_suffix_length);
  } while (world_.find_instance(self->id()));
  self->revision = workload.revision;
  self->dependencies = workload.dependencies;
  self->owner_uid = workload.metadata().uid;
  self->pod = std::make_shared<const model::PodSpec>(workload.pod_template().spec);
  self->is_pod_known = true;
  self->created_at = reactor_.clock().wall();
  add(self);
  scope_.spawn(live(self));
}

void Runner::add(const RunPtr& self) {
  self->number = next_number_++;
  runs_.insert_or_assign(self->id(), self);
  observer_.appeared(self);
}

void Runner::stop(const Instance& instance) {
  const auto at = runs_.find(instance.id());
  if (at == runs_.end()) return;
  // Kept: whoever waits for it may end it at once.
  const auto self = at->second;
  self->is_told_to_go = true;
  self->stop.set();
}

}  // namespace weft::control::reconcile
