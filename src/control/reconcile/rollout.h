// Which instances of a Deployment to create and which to stop: scaling, and replacement one at a time. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace weft::control::reconcile {

/// What the plan must know of one instance.
struct Candidate {
  std::string name;
  /// Made from the template as it is now.
  bool current = true;
  bool ready = false;
  /// It is on its way out already.
  bool stopping = false;
  /// Grows with each instance made.
  std::uint64_t number = 0;
};

struct Rollout {
  int create = 0;
  std::vector<std::string> stop;
};

/// The next step; to be asked again after each change. Old instances are replaced one at a time, and never so
/// that fewer are ready than before; old ones that are not ready go at once. `may_create` is false while
/// dependencies are missing: nothing is replaced then.
Rollout plan_rollout(int replicas, bool may_create, std::span<const Candidate> instances);

}  // namespace weft::control::reconcile
