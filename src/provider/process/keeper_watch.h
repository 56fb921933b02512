// The supervisor's side of its keeper: one that was killed is replaced, so that the mesh survives the next
// kill of the supervisor too.
#pragma once

#include <string>
#include <vector>

#include "provider/process/carried.h"
#include "provider/process/client.h"
#include "provider/process/group.h"
#include "runtime/home.h"

namespace weft::provider::process {

class KeeperWatch {
 public:
  /// For a process that a keeper has started. `argv` starts one that adopts it; `lock` is the home's.
  KeeperWatch(Fence& fence, std::vector<std::string> argv, const runtime::HomeLock& lock);
  /// Takes the pidfd of the keeper that has started this process, at kept_pidfd; resume() is its counterpart.
  void find();

  /// Runs until it is cancelled: starts another keeper whenever there is none, with growing pauses where that
  /// fails. It ends at once where this process ends with its keeper (KeeperOptions::with_us).
  runtime::Task<void> run();
  /// Has one of this program's own take the keeper's place; the one before goes on if it cannot be started.
  /// Errors: failed, if that is so, or this process ends with its keeper; not_seen, if it does not see its
  /// keeper.
  Result<void> replace();
  /// For whom goes on in this process's place.
  CarriedKeeper carry() const;
  /// Goes on with it; before run().
  void resume(const CarriedKeeper& carried);
  OwnProcess status() const { return seen_; }
  /// Whether this process ends with its keeper (KeeperOptions::with_us).
  static bool ends_with_keeper();

 private:
  Result<void> start();
  runtime::Task<void> until_end();
  void note_end(const runtime::ExitStatus& how);

  Fence& fence_;
  std::vector<std::string> argv_;
  const runtime::HomeLock& lock_;
  runtime::Fd first_;               // the pidfd of the keeper that started this process
  std::shared_ptr<Process> child_;  // the keeper that this process has started
  bool is_kept_ = false;
  bool is_asked_ = false;    // the next one is started by replace(), of this program or the one before it
  runtime::Event replaced_;  // pulsed
  OwnProcess seen_;
};

}  // namespace weft::provider::process
