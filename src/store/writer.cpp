#include "store/writer.h"

#include <csignal>
#include <utility>

namespace weft::store {

Writer::Writer(runtime::Reactor& reactor, std::unique_ptr<Database> database,
               std::function<void(Result<void>)> committed)
    : reactor_(reactor), database_(std::move(database)), committed_(std::move(committed)) {
  // Signals are for the thread that asked for them; a new thread inherits the mask that it is started with.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Writer::~Writer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Writer::commit(Batch batch) {
  {
    const std::lock_guard lock(mutex_);
    next_ = std::move(batch);
  }
  changed_.notify_one();
}

void Writer::run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stopping_ || next_; });
    // What was handed over is written also when stopping: its waiters may be gone, but it was asked for.
    if (!next_) return;
    const auto batch = *std::exchange(next_, std::nullopt);
    lock.unlock();
    auto result = database_->commit(batch.rows, batch.version_ceiling);
    reactor_.post([committed = committed_, result = std::move(result)] { committed(result); });
  }
}

}  // namespace weft::store
