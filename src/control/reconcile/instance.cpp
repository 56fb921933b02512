#include "control/reconcile/instance.h"

#include <fmt/format.h>

#include "runtime/process.h"

namespace weft::control::reconcile {

std::string to_string(const provider::Exit& exit) {
  return runtime::ExitStatus{exit.code, exit.signal}.to_string();
}

int exit_code(const provider::Exit& exit) { return exit.signal ? 128 + *exit.signal : exit.code.value_or(0); }

model::Labels with_own_labels(model::Labels labels, const Instance& instance) {
  labels[std::string(model::label::workload)] = instance.workload.name;
  labels[std::string(model::label::kind)] = model::to_string(instance.workload.kind);
  labels[std::string(model::label::template_hash)] = instance.revision;
  return labels;
}

}  // namespace weft::control::reconcile
