// The data plane as the reconcilers see it: the xDS server, or a stand-in for tests.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/clock.h"
#include "runtime/task.h"
#include "snapshot/snapshot.h"

namespace weft::control::reconcile {

/// What the proxies said to the last publication of a context.
struct Settlement {
  /// All connected proxies that need it run it.
  bool acknowledged = false;
  /// How many those are.
  std::size_t proxies = 0;
  /// A proxy's words if one refused it.
  std::string refusal;
};

class DataPlane {
 public:
  virtual ~DataPlane() = default;
  /// What the proxy of a node shall have of a context.
  virtual void publish(std::string node, snapshot::SnapshotPtr snapshot) = 0;
  /// All contexts that the proxy of a node serves; what was published for others there is forgotten.
  virtual void place(std::string node, std::vector<snapshot::ContextId> contexts) = 0;
  /// Ends when the proxies have answered, at the latest after `limit`; at once if none is connected.
  virtual runtime::Task<Settlement> settled(snapshot::ContextId context, base::Duration limit) = 0;
  /// Ends when the proxy of that node has said that nothing is under way any more at these listeners of the
  /// context, which drain by what was published last; at once if none is connected or it cannot tell. False
  /// once `limit` has passed.
  virtual runtime::Task<bool> drained(std::string node, snapshot::ContextId context,
                                      std::vector<std::string> listeners, base::Duration limit) = 0;
};

}  // namespace weft::control::reconcile
