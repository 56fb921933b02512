// Keeps one of the mesh's own two processes running: starts it, copies its log, starts it again when it ends,
// or when another program is to take its place.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "provider/process/carried.h"
#include "provider/process/client.h"
#include "provider/process/group.h"
#include "provider/process/log_file.h"
#include "provider/process/restart_pause.h"
#include "runtime/scope.h"

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
  /// SIGTERM, at most `grace`, SIGKILL; ends when it is gone, with those before it. Implies finish().
  runtime::Task<void> stop(std::chrono::milliseconds grace);

  /// Has it end by `signal`, whatever its exit code is then, and started again; ends when another process
  /// does its work (serves()). One that has not ended within `grace` is killed. An error if the new one ends
  /// or does not serve within `limit`: then there is none, or it is started again and again.
  runtime::Task<Result<void>> restart(int signal, std::chrono::milliseconds grace,
                                      std::chrono::milliseconds limit);
  /// Starts another one beside it, and once that has said that it serves (serves()) has the one before end,
  /// which may take as long as that wants. If the new one ends or does not serve within `limit`, it goes, and
  /// the one before goes on.
  runtime::Task<Result<void>> replace(std::chrono::milliseconds limit);
  /// That process does its work from now on; `relieves`: the one before ends what it has under way by its
  /// word, else by SIGTERM.
  void serves(pid_t pid, bool relieves);

  /// A restart() or replace() is under way.
  bool is_being_replaced() const { return is_changing_; }
  runtime::Task<void> until_replaced();

  OwnProcess status() const;
  /// For whom goes on in this process's place.
  CarriedOwn carry();
  /// Goes on with it; before run().
  void resume(CarriedOwn carried);

 private:
  /// One life of the process.
  struct Run {
    Run(Fence& fence, std::string name) : group(fence, std::move(name)) {}
    Group group;
    std::shared_ptr<Process> main;
    runtime::Event serves;
    bool relieves = false;
    int pipe = -1;  // of its output, while `output` reads it
    runtime::Scope output;
  };
  using Pointer = std::shared_ptr<Run>;
  struct Change;

  Pointer start();
  void read_output(Run& run, runtime::Fd pipe);
  Pointer cannot_start(runtime::IoError error);
  runtime::Task<Result<void>> change(runtime::Task<Result<void>> work);
  runtime::Task<void> carry_out(runtime::Task<Result<void>> work, std::shared_ptr<Change> begun);
  runtime::Task<Result<void>> end_and_start(int signal, std::chrono::milliseconds grace,
                                            std::chrono::milliseconds limit);
  runtime::Task<Result<void>> start_beside(std::chrono::milliseconds limit);
  /// An error says why it does not do its work.
  runtime::Task<Result<void>> until_serves(Pointer run, std::chrono::milliseconds limit);
  /// Waits for the end of one that has a successor.
  runtime::Task<void> see_out(Pointer run);
  runtime::Task<void> until_all_ended();
  bool has_running() const;
  void signal_all(int number);

  Fence& fence_;
  std::string name_;
  Program program_;
  LogFile log_;
  bool echo_;
  bool finishing_ = false;
  bool is_changing_ = false;  // by restart() or replace()
  runtime::Event finish_;
  runtime::Event changed_;  // pulsed when another one is the current one
  RestartPause pause_;
  OwnProcess seen_;
  int starts_ = 0;
  Pointer current_;            // null: none runs, and nothing of one that did is left
  std::list<Pointer> before_;  // those that it has followed, until they have ended
  runtime::Scope scope_;       // last: its tasks use all of the above
};

}  // namespace weft::provider::process
