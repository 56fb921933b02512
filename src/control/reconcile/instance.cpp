#include "control/reconcile/instance.h"

#include <fmt/format.h>

#include "runtime/process.h"

namespace weft::control::reconcile {

std::string to_string(const provider::Exit& exit) {
  return runtime::ExitStatus{exit.code, exit.signal}.to_string();
}

int exit_code(const provider::Exit& exit) { return exit.signal ? 128 + *exit.signal : exit.code.value_or(0); }

}  // namespace weft::control::reconcile
