// Which instances of a Deployment to create and which to stop: scaling and replacement. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/resource.h"

namespace weft::control::reconcile {

/// What the plan must know of one instance.
struct Candidate {
  std::string name;
  /// Made from the template as it is now.
  bool current = true;
  /// Ready, and for long enough.
  bool available = false;
  /// It is on its way out already.
  bool stopping = false;
  /// Grows with each instance made.
  std::uint64_t number = 0;
};

/// How many instances there may be and must be while others are replaced.
struct Allowance {
  int replicas = 1;
  /// So many beyond `replicas` at a time, those that still stop counted.
  int surge = 1;
  /// So many of `replicas` may be missing.
  int unavailable = 0;
  /// No new one as long as there is an old one.
  bool recreates = false;
};

/// By Kubernetes' rules (deployment util, ResolveFenceposts): a percentage of maxSurge is rounded up, one of
/// maxUnavailable down, and where both come to nothing one may be missing.
Allowance allowance_of(const model::DeploymentSpec& spec);

struct Rollout {
  int create = 0;
  std::vector<std::string> stop;
};

/// The next step; to be asked again after each change. Old instances that are not available go at once.
/// `may_create` is false while dependencies are missing: nothing is replaced then.
Rollout plan_rollout(const Allowance& allowance, bool may_create, std::span<const Candidate> instances);

}  // namespace weft::control::reconcile
