// Keeps one of the mesh's own two processes running: starts it, copies its log, starts it again when it ends.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "provider/process/client.h"
#include "provider/process/group.h"
#include "provider/process/log_file.h"
#include "provider/process/restart_pause.h"

namespace weft::provider::process {

class Attendant {
 public:
  /// `name` is that of the log ("control-plane", "proxy").
  Attendant(Fence& fence, std::string name, Program program, std::string log_path, LogLimits logs, bool echo);

  /// Runs until finish() (not at all if there is nothing to run): after the first end it starts again
  /// immediately, then with growing pauses while it keeps dying young. With `until_success` an end with exit
  /// code 0 is the last, and true.
  runtime::Task<bool> run(bool until_success);
  /// It is not started again from now on.
  void finish();
  /// SIGTERM, at most `grace`, SIGKILL; ends when it is gone. Implies finish().
  runtime::Task<void> stop(std::chrono::milliseconds grace);
  OwnProcess status() const;

 private:
  bool start();
  bool cannot_start(runtime::IoError error);

  Fence& fence_;
  std::string name_;
  Program program_;
  LogFile log_;
  bool echo_;
  bool finishing_ = false;
  runtime::Event finish_;
  RestartPause pause_;
  OwnProcess seen_;
  std::unique_ptr<Group> group_;
  std::shared_ptr<Process> main_;
  runtime::Scope output_;
};

}  // namespace weft::provider::process
