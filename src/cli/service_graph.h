// Services with the workloads behind them, as the commands for one service need them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/api.h"
#include "model/dependency.h"

namespace weft::cli {

/// All Services, Deployments and Jobs of the mesh.
struct ServiceGraph {
  model::DependencyGraph graph;
  /// By reference: the objects as stored.
  std::map<model::Ref, base::Json> objects;

  /// The Deployments behind a Service, sorted by name; not_found if the Service does not exist, failed if it
  /// has none.
  Result<std::vector<model::Ref>> deployments_of(const std::string& ns, const std::string& service) const;
  /// The same of a Service; a Deployment or Job itself, not_found if it does not exist.
  Result<std::vector<model::Ref>> workloads_of(const model::Ref& ref) const;
  /// Those Deployments and all workloads that they wait for, what is needed first in front.
  std::vector<model::Ref> with_needed(const std::vector<model::Ref>& deployments) const;

 private:
  /// That it does not exist, with the nearest name.
  Failure no_such(const model::Ref& ref) const;
};

runtime::Task<Result<ServiceGraph>> load_service_graph(Api& api);

/// REST path of a Service, Deployment or Job.
std::string path_of(const model::Ref& ref);

}  // namespace weft::cli
