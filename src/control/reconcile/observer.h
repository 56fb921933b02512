// The seam between what is seen of instances and what is made of it.
#pragma once

#include <string>

#include "control/reconcile/events.h"
#include "control/reconcile/instance.h"

namespace weft::control::reconcile {

/// Is told of instances by whoever sees them: by the Runner, which runs those of this machine. Who only
/// watches instances that another system runs brings nothing but calls of this; what there is to see stands
/// in the Instance itself.
class Observer {
 public:
  virtual ~Observer() = default;
  /// One that was not known, with all that is seen of it.
  virtual void appeared(InstancePtr instance) = 0;
  /// Something about it is another than before.
  virtual void changed(const Instance& instance) = 0;
  /// It has ended and is not started again.
  virtual void finished(const Instance& instance) = 0;
  /// Its process is told to end, and has ended, because the instance goes.
  virtual void stopping(const Instance& instance) = 0;
  virtual void stopped(const Instance& instance) = 0;
  /// Nothing is left of it.
  virtual void gone(const Instance& instance) = 0;
  /// What happened to it, as an Event for people.
  virtual void record(const Instance& instance, EventType type, std::string reason, std::string message) = 0;
};

}  // namespace weft::control::reconcile
