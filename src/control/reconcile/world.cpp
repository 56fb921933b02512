#include "control/reconcile/world.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/counted.h"
#include "base/hash.h"
#include "control/compile/compile.h"
#include "control/reconcile/externals.h"
#include "model/decode.h"
#include "runtime/log.h"

namespace weft::control::reconcile {
namespace {

using base::Json;

/// False, once it is logged.
bool not_understood(const store::Key& key, const base::Diagnostics& why) {
  runtime::log::error("reconcile", "{} {}/{} in the store is not understood: {}", key.kind, key.ns, key.name,
                      base::render(why));
  return false;
}

/// Enough to tell the templates of one workload apart, as short as Kubernetes' own.
constexpr std::size_t revision_length = 10;

/// A part of an object's metadata, null if it is not there.
const Json& metadata_part(const Json& object, const char* name) {
  static const Json nothing;
  const auto metadata = object.find("metadata");
  if (metadata == object.end()) return nothing;
  const auto part = metadata->find(name);
  return part == metadata->end() ? nothing : *part;
}

bool differs_beyond_status(const Json& a, const Json& b) {
  return std::ranges::any_of(
      std::initializer_list<const char*>{"uid", "generation", "labels", "annotations"},
      [&](const char* part) { return metadata_part(a, part) != metadata_part(b, part); });
}

/// Whether the workload `index` of `now` stood in the graph before as it does now: the same Services, the
/// same dependencies with the same workloads behind them, the same cycle.
bool has_same_place(const model::DependencyGraph& before, const model::DependencyGraph& now,
                    std::size_t index) {
  const auto& node = now.workloads()[index];
  const auto at = before.find(node.ref);
  if (!at) return false;
  const auto& old = before.workloads()[*at];
  const auto is_same = [&](const model::Dependency& a, const model::Dependency& b) {
    return a.target == b.target && a.condition == b.condition && a.optional == b.optional &&
           a.timeout == b.timeout && a.origin == b.origin && a.exists == b.exists && a.gates == b.gates &&
           std::ranges::equal(before.behind(a.target), now.behind(b.target),
                              [&](std::size_t i, std::size_t j) {
                                return before.workloads()[i].ref == now.workloads()[j].ref;
                              });
  };
  const auto* cycle = before.blocked_by(*at);
  const auto* new_cycle = now.blocked_by(index);
  return old.services == node.services && std::ranges::equal(old.dependencies, node.dependencies, is_same) &&
         (cycle ? cycle->to_string() : "") == (new_cycle ? new_cycle->to_string() : "");
}

std::string count(int ready, std::size_t total) {
  return fmt::format("{} of {} ready", ready, base::counted(total, "instance"));
}

/// Why no instance is ready: the first that has something to say.
std::string trouble(const Workload& workload) {
  for (const auto& instance : workload.instances) {
    if (!instance->reason.empty() && !instance->is_leaving()) {
      return fmt::format("{}: {}", instance->reason, instance->message);
    }
  }
  return {};
}

}  // namespace

std::optional<model::Ref> ref_of(const store::Key& key) {
  if (key.kind == model::ExternalService::kind)
    return model::Ref{model::DependencyKind::service, key.ns, key.name};
  const auto kind = model::dependency_kind(key.kind);
  if (!kind) return {};
  return model::Ref{*kind, key.ns, key.name};
}

store::Key key_of(const model::Ref& ref) {
  return {std::string(model::to_string(ref.kind)), ref.ns, ref.name};
}

store::Key pod_key(const Instance& instance) { return {"Pod", instance.ns(), instance.name}; }

int Workload::replicas() const {
  if (deployment) return deployment->spec.replicas;
  if (job->spec.suspend) return 0;
  return std::min(job->spec.parallelism, job->spec.completions.value_or(job->spec.parallelism));
}

bool is_current(const Workload& workload, const Instance& instance) {
  return instance.revision == workload.revision &&
         std::ranges::includes(instance.dependencies, workload.dependencies);
}

bool is_active(const Workload& workload) {
  if (std::ranges::any_of(workload.instances, &Instance::has_process)) return true;
  return workload.is_stored && (workload.deployment || workload.job) && workload.replicas() > 0 &&
         !workload.is_over();
}

bool World::put(const store::Key& key, const store::Object& object) {
  auto& known = objects_[key];
  const auto before = std::exchange(known, object);
  if (before && !differs_beyond_status(*before, *object)) return false;
  return decode(key, *object);
}

bool World::decode(const store::Key& key, const Json& object) {
  const auto refused = [&](const base::Diagnostics& why) { return not_understood(key, why); };
  if (key.kind == model::Deployment::kind) {
    return put_workload(*ref_of(key), object, &Workload::deployment);
  }
  if (key.kind == model::Job::kind) return put_workload(*ref_of(key), object, &Workload::job);
  if (key.kind == model::Service::kind) {
    auto service = model::decode_as<model::Service>(object);
    if (!service) return refused(service.error());
    if (externals_.erase(*ref_of(key)) > 0) note_attached({*ref_of(key)});
    put_service(*ref_of(key), std::move(*service));
    return true;
  }
  if (key.kind == model::MeshConfig::kind && key.name == "default") {
    auto config = model::decode_as<model::MeshConfig>(object);
    if (!config) return refused(config.error());
    mesh_ = config->spec;
    compile_changes_.has_everything = true;
    return true;
  }
  if (key.kind == model::ExternalService::kind) {
    auto external = model::decode_as<model::ExternalService>(object);
    if (!external) return refused(external.error());
    return put_external(*ref_of(key), object, std::move(*external));
  }
  if (key.kind == model::TrafficPolicy::kind) return put_attached(policies_, key, object);
  if (key.kind == model::HTTPRoute::kind) return put_attached(routes_, key, object);
  if (key.kind != model::Provider::kind || !providers_.insert(key.name).second) return false;
  for (const auto& [ref, workload] : workloads_) changed_.insert(ref);
  return true;
}

template <class T>
bool World::put_attached(Attached<T>& to, const store::Key& key, const Json& object) {
  auto decoded = model::decode_as<T>(object);
  if (!decoded) return not_understood(key, decoded.error());
  note_attached(to.put(key, std::make_shared<const T>(std::move(*decoded))));
  changed_attached_.insert(key);
  return true;
}

void World::note_attached(const std::set<model::Ref>& services) {
  for (const auto& ref : services) {
    compile_changes_.refs.insert(ref);
    note_named(ref);
  }
}

void World::note_named(const model::Ref& service) {
  changed_attached_.merge(policies_.naming(service));
  changed_attached_.merge(routes_.naming(service));
}

bool World::put_external(const model::Ref& ref, const Json& object, model::ExternalService external) {
  if (services_.contains(ref) && !externals_.contains(ref)) {
    runtime::log::error("reconcile", "ExternalService {}/{} has the name of a Service and is passed over",
                        ref.ns, ref.name);
    return false;
  }
  auto [known, is_new] = externals_.try_emplace(ref);
  if (is_new) known->second.state = external_state(object);
  put_service(ref, model::as_service(external));
  compile_changes_.refs.insert(ref);
  known->second.service = std::make_shared<const model::ExternalService>(std::move(external));
  return true;
}

const External* World::find_external(const model::Ref& service) const {
  const auto found = externals_.find(service);
  return found == externals_.end() ? nullptr : &found->second;
}

bool World::put_external(const model::Ref& service, ExternalState state) {
  const auto found = externals_.find(service);
  if (found == externals_.end()) return false;
  const auto before = std::exchange(found->second.state, std::move(state));
  return before != found->second.state;
}

void World::put_service(const model::Ref& ref, model::Service service) {
  auto& known = services_[ref].service;
  const auto& spec = service.spec;
  is_graph_stale_ |=
      !known || known->spec.selector != spec.selector || known->spec.depends_on != spec.depends_on;
  if (!known || known->spec.ports != spec.ports) {
    compile_changes_.refs.insert(ref);
    note_named(ref);
  }
  declarers_.forget(ref);
  for (const auto& entry : spec.depends_on)
    declarers_.add(ref, {entry.kind, entry.ns.empty() ? ref.ns : entry.ns, entry.name});
  known = std::make_shared<const model::Service>(std::move(service));
  changed_.insert(ref);
}

template <class T>
bool World::put_workload(const model::Ref& ref, const Json& object,
                         std::shared_ptr<const T> Workload::* field) {
  auto decoded = model::decode_as<T>(object);
  if (!decoded) {
    runtime::log::error("reconcile", "{} in the store is not understood: {}", ref.to_string(),
                        base::render(decoded.error()));
    return false;
  }
  auto& workload = workloads_[ref];
  const bool is_another =
      workload.*field && (!workload.is_stored || (workload.*field)->metadata.uid != decoded->metadata.uid);
  if (is_another) {
    // Of the same name, but deleted and made anew: only its instances live on, until they are replaced.
    auto instances = std::move(workload.instances);
    workload = Workload{};
    workload.instances = std::move(instances);
  }
  workload.ref = ref;
  const auto& known = workload.*field;
  is_graph_stale_ |= !known || known->spec.depends_on != decoded->spec.depends_on ||
                     known->spec.pod_template.metadata.labels != decoded->spec.pod_template.metadata.labels;
  const auto& pod = decoded->spec.pod_template.spec;
  const bool is_compiled_anew =
      !known || known->spec.pod_template.spec.service_account_name != pod.service_account_name ||
      model::asked_by_http(known->spec.pod_template.spec) != model::asked_by_http(pod);
  changed_.insert(ref);
  const bool was_active = is_active(workload);
  workload.*field = std::make_shared<const T>(std::move(*decoded));
  workload.is_stored = true;
  auto revision = base::content_hash(object.at("spec").at("template").dump()).substr(0, revision_length);
  if (std::exchange(workload.revision, revision) != revision) workload.run = {};
  if (is_compiled_anew || was_active != is_active(workload)) compile_changes_.refs.insert(ref);
  return true;
}

void World::remove(const store::Key& key) {
  objects_.erase(key);
  if (key.kind == model::Provider::kind && providers_.erase(key.name) > 0) {
    for (const auto& [ref, workload] : workloads_) changed_.insert(ref);
  }
  if (key.kind == model::MeshConfig::kind && key.name == "default") {
    mesh_ = {};
    compile_changes_.has_everything = true;
  }
  if (key.kind == model::TrafficPolicy::kind) note_attached(policies_.remove(key));
  if (key.kind == model::HTTPRoute::kind) note_attached(routes_.remove(key));
  const auto ref = ref_of(key);
  const bool is_external = key.kind == model::ExternalService::kind;
  // Of the two kinds that share a name the other one may be there.
  if (!ref || (is_external != externals_.contains(*ref) && ref->kind == model::DependencyKind::service))
    return;
  if (is_external) externals_.erase(*ref);
  changed_.insert(*ref);
  compile_changes_.refs.insert(*ref);
  if (ref->kind == model::DependencyKind::service) {
    services_.erase(*ref);
    note_named(*ref);
    declarers_.forget(*ref);
    is_graph_stale_ = true;
    // One that was passed over as long as a Service had its name.
    const store::Key external{std::string(model::ExternalService::kind), key.ns, key.name};
    if (const auto object = find_object(external)) decode(external, *object);
  } else if (auto* workload = find_workload(*ref)) {
    workload->is_stored = false;
    if (workload->instances.empty()) drop(*ref);
  }
}

void World::replace(std::string_view kind, const std::vector<store::Object>& objects) {
  std::set<store::Key> gone;
  for (auto at = objects_.lower_bound({std::string(kind), {}, {}});
       at != objects_.end() && at->first.kind == kind; ++at)
    gone.insert(at->first);
  for (const auto& object : objects) {
    const auto key = store::key_of(*object);
    gone.erase(key);
    put(key, object);
  }
  for (const auto& key : gone) remove(key);
}

/// A workload is gone for good.
void World::drop(model::Ref ref) {
  stop_edges_.forget(ref);
  workloads_.erase(ref);
  is_graph_stale_ = true;
}

std::set<model::Ref> World::take_changes() {
  refresh_graph();
  return std::exchange(changed_, {});
}

void World::refresh_graph() {
  if (!std::exchange(is_graph_stale_, false)) return;
  std::vector<const model::Service*> services;
  std::vector<const model::Deployment*> deployments;
  std::vector<const model::Job*> jobs;
  for (const auto& [ref, entry] : services_) services.push_back(entry.service.get());
  for (const auto& [ref, workload] : workloads_) {
    // One that was deleted stays in it until its instances have stopped: they keep their listeners until
    // then.
    if (!workload.is_stored && workload.instances.empty()) continue;
    if (workload.deployment) deployments.push_back(workload.deployment.get());
    if (workload.job) jobs.push_back(workload.job.get());
  }
  const auto before =
      std::exchange(graph_, std::make_unique<model::DependencyGraph>(services, deployments, jobs));
  for (std::size_t i = 0; i < graph_->workloads().size(); ++i) {
    const auto& node = graph_->workloads()[i];
    if (!before || !has_same_place(*before, *graph_, i)) note_moved(before.get(), node.ref);
    auto* workload = find_workload(node.ref);
    workload->dependencies.clear();
    for (const auto& dependency : node.dependencies) {
      const auto& target = dependency.target;
      if (target.kind == model::DependencyKind::service) {
        workload->dependencies.insert(target.ns + "/" + target.name);
      }
    }
    if (workload->instances.empty()) stop_edges_.forget(node.ref);
    remember_stop_edges(node);
  }
  if (!before) return;
  for (const auto& node : before->workloads()) {
    if (!graph_->find(node.ref)) note_moved(before.get(), node.ref);
  }
}

void World::note_moved(const model::DependencyGraph* before, const model::Ref& ref) {
  changed_.insert(ref);
  compile_changes_.refs.insert(ref);
  for (const model::DependencyGraph* graph : {before, &std::as_const(*graph_)}) {
    const auto index = graph == nullptr ? std::nullopt : graph->find(ref);
    if (!index) continue;
    for (const auto& service : graph->workloads()[*index].services)
      compile_changes_.refs.insert({model::DependencyKind::service, ref.ns, service});
  }
}

void World::remember_stop_edges(const model::Workload& node) {
  for (const auto& dependency : node.dependencies) {
    for (const auto index : graph_->behind(dependency.target)) {
      const auto& target = graph_->workloads()[index].ref;
      if (target != node.ref) stop_edges_.add(node.ref, target);
    }
  }
}

Workload* World::find_workload(const model::Ref& ref) {
  const auto at = workloads_.find(ref);
  return at == workloads_.end() ? nullptr : &at->second;
}

const Workload* World::find_workload(const model::Ref& ref) const {
  const auto at = workloads_.find(ref);
  return at == workloads_.end() ? nullptr : &at->second;
}

Workload& World::workload_of_orphan(const model::Ref& ref) {
  auto [at, is_new] = workloads_.try_emplace(ref);
  if (is_new) {
    is_graph_stale_ = true;
    changed_.insert(ref);
    at->second.ref = ref;
    at->second.is_stored = false;
    if (ref.kind == model::DependencyKind::job) {
      auto job = std::make_shared<model::Job>();
      job->metadata.name = ref.name;
      job->metadata.ns = ref.ns;
      at->second.job = std::move(job);
    } else {
      auto deployment = std::make_shared<model::Deployment>();
      deployment->metadata.name = ref.name;
      deployment->metadata.ns = ref.ns;
      at->second.deployment = std::move(deployment);
    }
  }
  return at->second;
}

InstancePtr World::find_instance(const std::string& id) const {
  const auto at = instances_.find(id);
  return at == instances_.end() ? nullptr : at->second;
}

store::Object World::find_object(const store::Key& key) const {
  const auto at = objects_.find(key);
  return at == objects_.end() ? nullptr : at->second;
}

void World::add(const InstancePtr& instance) {
  instances_.insert_or_assign(instance->id(), instance);
  workload_of_orphan(instance->workload).instances.push_back(instance);
}

void World::erase(const Instance& instance) {
  const auto at = instances_.find(instance.id());
  if (at == instances_.end()) return;
  const auto keep = at->second;
  instances_.erase(at);
  auto* workload = find_workload(keep->workload);
  if (!workload) return;
  std::erase(workload->instances, keep);
  if (!workload->instances.empty()) return;
  if (!workload->is_stored) return drop(keep->workload);
  // What it depended on once is of no account any more.
  stop_edges_.forget(keep->workload);
  if (const auto node = graph_->find(keep->workload)) remember_stop_edges(graph_->workloads()[*node]);
}

bool World::has_provider(const std::string& name) const {
  return name == "process" || providers_.contains(name);
}

TargetState World::state_of(const model::Ref& target) const {
  if (target.kind == model::DependencyKind::service) return state_of_service(target);
  const auto* workload = find_workload(target);
  return workload ? state_of_workload(*workload) : TargetState{};
}

TargetState World::state_of_service(const model::Ref& target) const {
  TargetState state;
  if (const auto* external = find_external(target)) {
    state.started = state.ready = external->state.is_ready();
    state.detail = external->state.detail();
    return state;
  }
  const auto entry = services_.find(target);
  const auto behind = graph_->behind(target);
  if (entry == services_.end() || behind.empty()) {
    state.detail = "no workload matches its selector";
    return state;
  }
  const auto& ports = entry->second.service->spec.ports;
  std::size_t total = 0;
  bool matched = false;
  std::string why;
  for (const auto index : behind) {
    const auto* workload = find_workload(graph_->workloads()[index].ref);
    if (!workload) continue;
    if (why.empty()) why = trouble(*workload);
    if (workload->is_stored) total += static_cast<std::size_t>(std::max(0, workload->replicas()));
    for (const auto& instance : workload->instances) {
      if (instance->is_leaving() || instance->state != State::running) continue;
      state.started = true;
      const bool is_endpoint =
          ports.empty() || std::ranges::any_of(ports, [&](const model::ServicePort& port) {
            return compile::target_port(port, instance->ports) != nullptr;
          });
      matched |= is_endpoint;
      state.ready |= is_endpoint && instance->ready;
    }
  }
  if (total == 0) {
    state.detail = "not started";
  } else if (state.started && !matched) {
    state.detail = "its targetPort is no containerPort of its instances";
  } else {
    state.detail = why.empty() ? count(0, total) : why;
  }
  return state;
}

TargetState World::state_of_workload(const Workload& workload) const {
  TargetState state;
  int ready = 0;
  for (const auto& instance : workload.instances) {
    state.started |= instance->state == State::running;
    ready += instance->is_available() && !instance->is_leaving() ? 1 : 0;
  }
  if (workload.job) {
    state.completed = workload.run.is_complete;
    state.failed = workload.run.is_failed;
    state.started |= workload.is_over();
    state.ready = ready > 0;
    state.detail = workload.run.is_failed ? "failed: " + workload.run.failure
                   : state.started        ? "running"
                                          : "not started";
    return state;
  }
  const int wanted = workload.replicas();
  state.ready = wanted > 0 && ready >= wanted;
  const auto why = trouble(workload);
  state.detail = wanted == 0   ? "not started"
                 : why.empty() ? count(ready, static_cast<std::size_t>(wanted))
                               : why;
  return state;
}

}  // namespace weft::control::reconcile
