#include "provider/process/processes.h"

#include <sys/wait.h>

#include "provider/process/carried.h"

namespace weft::provider::process {

runtime::IoResult<std::shared_ptr<Process>> Processes::spawn(const runtime::SpawnOptions& options) {
  auto child = runtime::spawn(options);
  if (!child) return std::unexpected(child.error());
  auto process = std::make_shared<Process>();
  process->pid = child->pid;
  running_[process->pid] = process;
  return process;
}

std::shared_ptr<Process> Processes::adopt(const CarriedProcess& child) {
  auto process = std::make_shared<Process>();
  process->pid = child.pid;
  process->status = child.status;
  process->ended_at = child.ended_at;
  if (child.has_ended) {
    process->ended.set();
  } else {
    running_[process->pid] = process;
  }
  return process;
}

CarriedProcess carry(const Process& process) {
  return {process.pid, !process.is_running(), process.status, process.ended_at};
}

void Processes::reap() {
  while (true) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0) return;
    auto found = running_.find(info.si_pid);
    if (found == running_.end()) continue;  // an orphan
    auto process = std::move(found->second);
    running_.erase(found);
    if (info.si_code == CLD_EXITED) {
      process->status.code = info.si_status;
    } else {
      process->status.signal = info.si_status;
    }
    process->ended_at = clock_.wall();
    process->ended.set();
  }
}

}  // namespace weft::provider::process
