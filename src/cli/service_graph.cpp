// The dependency graph of what is stored.
#include "cli/service_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/nearest.h"
#include "cli/objects.h"
#include "model/decode.h"
#include "model/kinds.h"

namespace weft::cli {

using base::Json;
using model::DependencyKind;
using model::Ref;
using runtime::Task;

namespace {

/// The objects of one kind as T; one that this version cannot read is left out.
template <class T>
std::vector<T> decoded(const std::vector<Json>& objects) {
  std::vector<T> values;
  for (const Json& object : objects) {
    if (auto value = model::decode_as<T>(object)) values.push_back(std::move(*value));
  }
  return values;
}

template <class T>
std::vector<const T*> pointers(const std::vector<T>& values) {
  std::vector<const T*> all;
  for (const auto& value : values) all.push_back(&value);
  return all;
}

}  // namespace

Failure ServiceGraph::no_such(const Ref& ref) const {
  const auto& kind = *model::find_kind(model::to_string(ref.kind));
  std::vector<std::string_view> names;
  for (const auto& [other, object] : objects) {
    if (other.kind == ref.kind && other.ns == ref.ns) names.push_back(other.name);
  }
  std::string mend = fmt::format("list what exists: weft get {}", kind.plural);
  if (ref.kind == DependencyKind::service)
    mend = fmt::format("create it: control-plane create service {} --image=IMAGE", ref.name);
  // A worker has no Service.
  const auto other = [&](DependencyKind it) { return objects.contains({it, ref.ns, ref.name}); };
  const bool is_deployment = other(DependencyKind::deployment);
  if (is_deployment || other(DependencyKind::job)) {
    mend = fmt::format("name it with its kind: {}/{}", is_deployment ? "deployment" : "job", ref.name);
  } else if (const auto near = base::nearest(ref.name, names); !near.empty()) {
    mend = fmt::format("did you mean {}?", near);
  }
  return {Exit::not_found,
          fmt::format("{} {} does not exist in namespace {}", kind.singular, ref.name, ref.ns),
          {},
          std::move(mend),
          {}};
}

Result<std::vector<Ref>> ServiceGraph::workloads_of(const Ref& ref) const {
  if (ref.kind == DependencyKind::service) return deployments_of(ref.ns, ref.name);
  if (!graph.find(ref)) return std::unexpected(no_such(ref));
  return std::vector{ref};
}

Result<std::vector<Ref>> ServiceGraph::deployments_of(const std::string& ns,
                                                      const std::string& service) const {
  const Ref ref{DependencyKind::service, ns, service};
  if (!graph.exists(ref)) return std::unexpected(no_such(ref));
  std::vector<Ref> found;
  for (const auto index : graph.behind(ref)) {
    const auto& workload = graph.workloads()[index].ref;
    if (workload.kind == DependencyKind::deployment) found.push_back(workload);
  }
  if (found.empty()) {
    return failure(Exit::failed,
                   fmt::format("service {} has no Deployment: its selector matches none", service), {},
                   "apply a Deployment whose template has the labels of the service's selector");
  }
  return found;
}

std::vector<Ref> ServiceGraph::with_needed(const std::vector<Ref>& deployments) const {
  std::set<std::size_t> wanted;
  for (const auto& ref : deployments) {
    const auto index = graph.find(ref);
    if (!index) continue;
    wanted.insert(*index);
    for (const auto needed : graph.closure(*index)) wanted.insert(needed);
  }
  std::vector<Ref> order;
  for (const auto& layer : graph.start_order()) {
    for (const auto index : layer) {
      if (wanted.contains(index)) order.push_back(graph.workloads()[index].ref);
    }
  }
  return order;
}

Task<Result<ServiceGraph>> load_service_graph(Api& api) {
  std::map<Ref, Json> objects;
  std::vector<std::vector<Json>> lists;
  for (const auto kind : {DependencyKind::service, DependencyKind::deployment, DependencyKind::job}) {
    auto list = co_await api.list(rest_path(*model::find_kind(model::to_string(kind)), ""));
    if (!list) co_return std::unexpected(std::move(list.error()));
    for (const Json& object : *list) objects[{kind, namespace_of(object), name_of(object)}] = object;
    lists.push_back(std::move(*list));
  }
  const auto services = decoded<model::Service>(lists[0]);
  const auto deployments = decoded<model::Deployment>(lists[1]);
  const auto jobs = decoded<model::Job>(lists[2]);
  co_return ServiceGraph{model::DependencyGraph(pointers(services), pointers(deployments), pointers(jobs)),
                         std::move(objects)};
}

std::string path_of(const Ref& ref) {
  return rest_path(*model::find_kind(model::to_string(ref.kind)), ref.ns, ref.name);
}

}  // namespace weft::cli
