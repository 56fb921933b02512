// Everything stops, in reverse order of dependency; what is stored stays as it is.
#include <algorithm>

#include "control/reconcile/engine.h"
#include "runtime/log.h"

namespace weft::control::reconcile {
namespace {

bool has_process(const World& world) {
  return std::ranges::any_of(world.instances(), [](const auto& entry) { return entry.second->has_process; });
}

}  // namespace

void Engine::stop_all() {
  if (std::exchange(stopping_, true)) return;
  runtime::log::info("reconcile", "stopping all instances");
  for (const auto& [ref, workload] : world_.workloads()) decisions_.add(ref);
  end_if_stopped();
}

std::shared_ptr<runtime::Queue<std::string>> Engine::follow_stop() {
  auto queue = std::make_shared<runtime::Queue<std::string>>();
  if (outcome_) {
    queue->close();
  } else {
    followers_.push_back(queue);
  }
  return queue;
}

void Engine::tell(std::string_view event, const Instance& instance) {
  if (!stopping_) return;
  base::Json line = {{"event", event},
                     {"kind", model::to_string(instance.workload.kind)},
                     {"namespace", instance.ns()},
                     {"workload", instance.workload.name},
                     {"instance", instance.name}};
  if (event == "stopped" && instance.last_exit) line["exit"] = to_string(*instance.last_exit);
  for (const auto& follower : followers_) follower->push(line.dump() + "\n");
}

void Engine::end_if_stopped() {
  if (!stopping_ || !is_adopted_ || outcome_ || has_process(world_)) return;
  outcome_.emplace();
  const auto line = base::Json{{"event", "done"}}.dump() + "\n";
  for (const auto& follower : followers_) {
    follower->push(line);
    follower->close();
  }
  followers_.clear();
  ended_.set();
}

}  // namespace weft::control::reconcile
