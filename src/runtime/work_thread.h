// A thread beside a reactor, for calls that wait for the disk.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "runtime/error.h"

namespace weft::runtime {

class WorkThread {
 public:
  /// Starts it, with all signals blocked: they are for the thread that asked for them. EAGAIN at a limit of
  /// processes, so make it before anything depends on it.
  static IoResult<std::unique_ptr<WorkThread>> start();
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;
  /// Waits until all that was handed over is done.
  ~WorkThread();

  /// Does `work` after all that was handed over before. It tells a reactor of its end by Reactor::post().
  void run(std::move_only_function<void()> work);

 private:
  WorkThread() = default;
  void loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::move_only_function<void()>> works_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace weft::runtime
