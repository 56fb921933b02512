// The supervisor's side of its keeper: one that was killed is replaced, so that the mesh survives the next
// kill of the supervisor too.
#pragma once

#include <string>
#include <vector>

#include "provider/process/client.h"
#include "provider/process/group.h"
#include "runtime/home.h"

namespace weft::provider::process {

class KeeperWatch {
 public:
  /// For a process that a keeper has started. `argv` starts one that adopts it; `lock` is the home's.
  KeeperWatch(Fence& fence, std::vector<std::string> argv, const runtime::HomeLock& lock);

  /// Runs until it is cancelled: starts another keeper whenever there is none, with growing pauses where that
  /// fails. It ends at once where this process ends with its keeper (KeeperOptions::with_us).
  runtime::Task<void> run();
  OwnProcess status() const { return seen_; }

 private:
  runtime::IoResult<std::shared_ptr<Process>> start() const;
  void note_end(const runtime::ExitStatus& how);

  Fence& fence_;
  std::vector<std::string> argv_;
  const runtime::HomeLock& lock_;
  runtime::Fd first_;  // the pidfd of the keeper that started this process
  OwnProcess seen_;
};

}  // namespace weft::provider::process
