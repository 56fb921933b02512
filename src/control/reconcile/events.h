// Kubernetes Events: what happened to an object, for people. The newest are kept; what repeats is counted.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <tuple>

#include "base/clock.h"
#include "base/json.h"
#include "base/random.h"
#include "control/reconcile/work_queue.h"
#include "store/store.h"

namespace weft::control::reconcile {

enum class EventType { normal, warning };

class Events {
 public:
  Events(runtime::Reactor& reactor, store::Store& store, base::Random random);

  /// `object` is what it is about. Reasons are CamelCase words ("Started").
  void record(const store::Key& object, EventType type, std::string reason, std::string message);

 private:
  using Subject = std::tuple<store::Key, std::string, std::string>;  // object, reason, message
  struct Entry {
    Subject subject;
    EventType type = EventType::normal;
    int count = 0;
    base::WallTime first;
    base::WallTime last;
  };

  runtime::Task<bool> write(store::Key name);
  base::Json to_json(const store::Key& name, const Entry& entry) const;
  void forget_oldest();

  runtime::Reactor& reactor_;
  store::Store& store_;
  base::Random random_;
  std::map<store::Key, Entry> entries_;
  std::map<Subject, store::Key> names_;
  std::deque<store::Key> order_;  // by first occurrence
  WorkQueue<store::Key> queue_;
};

}  // namespace weft::control::reconcile
