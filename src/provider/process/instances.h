// The instances of a home: started, watched to their end, stopped, and remembered until they are removed.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "provider/process/carried.h"
#include "provider/process/group.h"
#include "provider/process/image.h"
#include "provider/process/instance_log.h"
#include "provider/process/log_file.h"
#include "provider/process/old_logs.h"
#include "provider/process/ports.h"
#include "provider/provider.h"
#include "runtime/scope.h"

namespace weft::provider::process {

struct InstanceSettings {
  std::string log_folder;
  LogLimits logs;
  OldLogLimits old_logs;
  std::vector<std::string> images;
};

class Instances {
 public:
  /// `on_exit` is called for each that ended, once all that it forked is gone.
  Instances(Fence& fence, Ports& ports, InstanceSettings settings,
            std::function<void(const Instance&)> on_exit);
  ~Instances();

  Result<Instance> start(InstanceSpec spec);
  /// Begins to stop it, if nobody did, with that grace (nothing: its spec's), and waits for the end: also if
  /// who asked goes away, the stop goes on.
  runtime::Task<Result<Instance>> stop(std::string id, std::optional<std::chrono::milliseconds> grace);
  Result<void> remove(const std::string& id);
  Result<void> note(const std::string& id, std::string text);
  Result<Located> locate(const std::string& id, bool may_be_fixed);
  /// `deadline` is when `limit` is over. `process` is where who asks keeps what was started; if it is there
  /// already, that is waited for.
  runtime::Task<Result<int>> execute(std::string id, std::vector<std::string> argv,
                                     std::chrono::milliseconds limit, base::MonoTime deadline,
                                     std::shared_ptr<Process>& process);
  /// Of one that runs.
  Result<Surroundings> surroundings(const std::string& id) const;
  /// Closes the logs of instances that are gone, and deletes those that are beyond their limits.
  void remove_logs_of_gone() const;
  /// At the very end: closes all logs.
  void close_logs() const;
  Result<std::string> log_path(const std::string& id) const;
  /// The one whose id comes next after `id` (empty: the first), null at the end.
  const Instance* next_after(const std::string& id) const;
  std::size_t running() const;

  /// For whom goes on in this process's place.
  std::vector<CarriedInstance> carry() const;
  /// What execute() had started.
  std::shared_ptr<Process> adopt(const CarriedProcess& process) { return fence_.processes.adopt(process); }
  /// Has them again; before the first start(). Nothing is told of them until watch_resumed().
  void resume(std::vector<CarriedInstance> carried);
  /// Goes on with what resume() has brought: also of one that had ended before it is told now.
  void watch_resumed();

  /// From now on start() fails: nothing may begin any more.
  void refuse_starts() { closed_ = true; }
  /// Stops all that run at once: SIGTERM, each one's grace but at most `most_grace`, SIGKILL.
  runtime::Task<void> stop_all(std::chrono::milliseconds most_grace);

 private:
  struct Managed;
  using Pointer = std::shared_ptr<Managed>;

  using Loans = std::vector<std::shared_ptr<PortLoan>>;

  Result<Pointer> prepare(InstanceSpec spec, const Managed* before);
  Result<void> launch(Managed& managed);
  void write_note(Managed& managed);
  Result<Loans> borrow_ports(std::size_t count, const Managed* before);
  Pointer find(const std::string& id) const;
  runtime::Task<void> watch(Pointer managed);
  runtime::Task<void> terminate(Pointer managed);
  Result<std::shared_ptr<Process>> start_beside(const std::string& id, std::vector<std::string> argv);
  void read_output(Managed& managed, runtime::Fd pipe);
  Pointer resume_one(CarriedInstance carried);
  void begin_stop(const Pointer& managed, std::chrono::milliseconds grace);

  Fence& fence_;
  Ports& ports_;
  InstanceSettings settings_;
  std::function<void(const Instance&)> on_exit_;
  Environment inherited_;
  bool closed_ = false;
  int removed_ = 0;
  std::map<std::string, Pointer> instances_;
  std::vector<Pointer> resumed_;  // until they are watched
  runtime::Scope scope_;          // last: its tasks use all of the above
};

}  // namespace weft::provider::process
