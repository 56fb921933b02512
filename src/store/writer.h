// The thread that writes to the disk: one transaction at a time, so that no commit ever blocks a reactor.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/reactor.h"
#include "store/database.h"
#include "store/store.h"

namespace weft::store {

/// One transaction.
struct Batch {
  std::vector<Row> rows;
  /// 0 leaves it as it is.
  std::uint64_t version_ceiling = 0;
};

class Writer {
 public:
  /// `committed` is called on the reactor's thread after every transaction, also after the end of the Writer.
  Writer(runtime::Reactor& reactor, std::unique_ptr<Database> database,
         std::function<void(Result<void>)> committed);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  /// Waits for the transaction that is under way.
  ~Writer();

  /// Not while one is under way.
  void commit(Batch batch);

 private:
  void run();

  runtime::Reactor& reactor_;
  std::unique_ptr<Database> database_;
  std::function<void(Result<void>)> committed_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Batch> next_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace weft::store
