// Status, Pods and EndpointSlices into the store; only what differs is written.
#include <fmt/format.h>

#include <algorithm>

#include "control/reconcile/conditions.h"
#include "control/reconcile/engine.h"
#include "control/reconcile/pod.h"
#include "control/reconcile/policy_status.h"
#include "control/reconcile/route_status.h"
#include "control/reconcile/service_status.h"
#include "control/reconcile/workload_status.h"
#include "model/kinds.h"
#include "runtime/log.h"

namespace weft::control::reconcile {

using base::Json;

void Engine::touch(const model::Ref& ref) {
  report_with_declarers(ref);
  if (ref.kind != model::DependencyKind::service) {
    decisions_.add(ref);
    touch_services_of(ref);
  }
  const auto& graph = world_.graph();
  if (world_.find_external(ref) != nullptr) {
    for (const auto& workload : graph.workloads()) {
      const auto is_it = [&](const model::Dependency& dependency) { return dependency.target == ref; };
      if (std::ranges::any_of(workload.dependencies, is_it)) decisions_.add(workload.ref);
    }
  }
  for (const auto index : graph.behind(ref)) {
    for (const auto dependent : graph.dependents(index)) decisions_.add(graph.workloads()[dependent].ref);
  }
}

void Engine::touch_services_of(const model::Ref& workload) {
  const auto node = world_.graph().find(workload);
  if (!node) return;
  for (const auto& name : world_.graph().workloads()[*node].services) {
    report_with_declarers({model::DependencyKind::service, workload.ns, name});
  }
}

/// A Service without workloads says itself how far what it depends on is.
void Engine::report_with_declarers(const model::Ref& ref) {
  reports_.add(key_of(ref));
  for (const auto& service : world_.declarers(ref)) reports_.add(key_of(service));
}

void Engine::touch_services(const Publisher::Refs& refs) {
  for (const auto& ref : refs) {
    if (ref.kind == model::DependencyKind::service) {
      reports_.add(key_of(ref));
    } else {
      touch_services_of(ref);
    }
  }
}

runtime::Task<bool> Engine::report(store::Key key) {
  if (!is_adopted_) co_return true;
  if (key.kind == "Pod") co_return co_await report_pod(std::move(key));
  const auto ref = ref_of(key);
  const auto* external = ref ? world_.find_external(*ref) : nullptr;
  if (external != nullptr) key.kind = model::ExternalService::kind;
  const auto object = store_.get(key);
  const auto now = reactor_.clock().wall();
  if (external != nullptr && object)
    co_return co_await write_status(key, external_status(*external->service, external->state, *object, now));
  if (const auto* policy = world_.policies().find(key); policy != nullptr && object)
    co_return co_await write_status(key, policy_status(world_, *policy, *object, now));
  if (const auto* route = world_.routes().find(key); route != nullptr && object)
    co_return co_await write_status(key, route_status(world_, *route, *object, now));
  if (!object || !ref) {
    if (ref && ref->kind == model::DependencyKind::service) co_return co_await report_slices(*ref);
    if (ref && ref->kind == model::DependencyKind::deployment) co_return co_await keep_revisions(*ref);
    co_return true;
  }
  if (ref->kind == model::DependencyKind::service) {
    const auto entry = world_.services().find(*ref);
    if (entry == world_.services().end()) co_return true;
    // Before the first publication nothing can be said about it.
    if (publisher_.passes() == 0) co_return true;
    const auto& known = entry->second;
    const auto& ready_in = known.ready_in;
    // What was acknowledged to the control plane before this one still is, if it runs since: a proxy keeps
    // what it has.
    const auto* before = find_condition(*object, "Ready");
    const bool was_ready = ready_in == 1U && before && before->value("status", "") == "True";
    const auto is_known = [&](std::uint64_t pass) {
      return (was_ready && pass == 1U) || publisher_.is_acknowledged(pass);
    };
    const Programmed programmed{ready_in && is_known(*ready_in),
                                is_known(known.grown_in) ? known.routed : known.routed_before,
                                publisher_.trouble()};
    auto status = service_status(world_, *ref, addresses_, programmed, *object, now);
    const bool written = co_await write_status(key, std::move(status));
    co_return co_await report_slices(*ref) && written;
  }
  co_return co_await report_workload(*ref);
}

runtime::Task<bool> Engine::report_workload(model::Ref ref) {
  const auto key = key_of(ref);
  const auto object = store_.get(key);
  const auto now = reactor_.clock().wall();
  const auto* workload = world_.find_workload(ref);
  if (!object || !workload || !workload->is_stored) co_return true;
  auto status =
      workload->job ? job_status(*workload, *object, now) : deployment_status(*workload, *object, now);
  const auto due = due_in(*workload, status, now);
  // Its end has been told before. One that has changed since, and so runs again, has another version.
  const bool is_expired = workload->job && due && *due <= base::Duration::zero();
  if (is_expired && is_observed(*workload, *object) && status == status_of(*object)) {
    auto removed = co_await store_.remove(key, store::version_of(*object));
    co_return removed || !store::can_retry(removed.error().kind);
  }
  if (due) reports_.add_after(key, std::max<base::Duration>(*due, retry_first));
  if (!co_await write_status(key, std::move(status))) co_return false;
  co_return ref.kind != model::DependencyKind::deployment || co_await keep_revisions(ref);
}

runtime::Task<bool> Engine::report_pod(store::Key key) {
  const auto instance = world_.find_instance(key.ns + "/" + key.name);
  if (!instance) co_return co_await remove_object(std::move(key));
  const auto* workload = world_.find_workload(instance->workload);
  if (!workload) co_return true;
  const auto before = store_.get(key);
  co_return co_await write_object(
      pod_of(*workload, *instance, before ? *before : Json(), reactor_.clock().wall()));
}

runtime::Task<bool> Engine::report_slices(model::Ref service) {
  std::vector<Json> slices;
  if (world_.services().contains(service)) slices = endpoint_slices(world_, service, addresses_);
  auto& stored = slices_[service];
  auto gone = std::exchange(stored, {});
  for (const auto& slice : slices) {
    const auto name = store::key_of(slice).name;
    gone.erase(name);
    stored.insert(name);
  }
  if (stored.empty()) slices_.erase(service);
  bool written = true;
  for (auto& slice : slices) written = co_await write_object(std::move(slice)) && written;
  for (const auto& name : gone)
    written = co_await remove_object({"EndpointSlice", service.ns, name}) && written;
  co_return written;
}

runtime::Task<bool> Engine::write_status(store::Key key, Json status) {
  const auto object = store_.get(key);
  if (!object || status_of(*object) == status) co_return true;
  const auto& metadata = object->at("metadata");
  // With the uid, so that it is never written to another object of the same name.
  Json patch = {{"apiVersion", object->at("apiVersion")},
                {"kind", key.kind},
                {"metadata", {{"name", key.name}, {"namespace", key.ns}, {"uid", metadata.value("uid", "")}}},
                {"status", std::move(status)}};
  auto written = co_await store_.update_status(std::move(patch));
  if (written || written.error().kind == store::StoreErrorKind::not_found ||
      written.error().kind == store::StoreErrorKind::conflict) {
    co_return true;
  }
  runtime::log::warning("reconcile", "the status of {} {}/{} was not written: {}", key.kind, key.ns, key.name,
                        written.error().detail);
  co_return false;
}

runtime::Task<bool> Engine::write_object(Json object) {
  const auto key = store::key_of(object);
  if (!store_.get(key)) {
    co_return (co_await store_.create(std::move(object))).has_value();
  }
  const auto updated = co_await store_.update(object);
  if (!updated) co_return false;
  if (!object.contains("status") || status_of(**updated) == object.at("status")) co_return true;
  co_return (co_await store_.update_status(std::move(object))).has_value();
}

runtime::Task<bool> Engine::remove_object(store::Key key) {
  if (store_.get(key)) (void)co_await store_.remove(std::move(key), {});
  co_return true;
}

void Engine::record(const model::Ref& workload, EventType type, std::string reason, std::string message) {
  events_.record(key_of(workload), type, std::move(reason), std::move(message));
}

void Engine::record(const Instance& instance, EventType type, std::string reason, std::string message) {
  events_.record(pod_key(instance), type, std::move(reason), std::move(message));
}

}  // namespace weft::control::reconcile
