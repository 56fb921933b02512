#include "runtime/work_thread.h"

#include <csignal>
#include <system_error>
#include <utility>

namespace weft::runtime {

IoResult<std::unique_ptr<WorkThread>> WorkThread::start() {
  std::unique_ptr<WorkThread> made(new WorkThread());
  // A new thread inherits the mask that it is started with.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int code = 0;
  try {
    made->thread_ = std::thread([thread = made.get()] { thread->loop(); });
  } catch (const std::system_error& error) {
    code = error.code().value();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (code != 0) return io_error(code);
  return made;
}

WorkThread::~WorkThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void WorkThread::run(std::move_only_function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    works_.push_back(std::move(work));
  }
  changed_.notify_one();
}

void WorkThread::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !works_.empty(); });
    if (works_.empty()) return;
    auto work = std::move(works_.front());
    works_.pop_front();
    lock.unlock();
    work();
    work = nullptr;  // what it holds goes before the next one comes, and not under the lock
    lock.lock();
  }
}

}  // namespace weft::runtime
