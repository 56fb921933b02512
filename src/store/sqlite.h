// The store on one machine: all objects in memory, the durable ones in one SQLite file, written by a thread
// of its own that commits together what was asked for while the last commit ran.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "runtime/reactor.h"
#include "store/store.h"

namespace weft::store {

struct SqliteOptions {
  /// The database file; made if it is missing, its folder must exist. `<path>.lock` beside it keeps a second
  /// process out.
  std::string path;
  /// Where a copy of it may lie while the file system is read-only; empty: it is not opened then.
  std::string spare_folder;
  /// Refuses to grow beyond so many pages, as on a full disk; 0 for no limit.
  std::uint32_t max_pages = 0;
};

/// What the store has done since it was opened.
struct SqliteStats {
  std::uint64_t transactions = 0;
  /// Durable changes that were committed.
  std::uint64_t writes = 0;
  std::uint64_t failed_transactions = 0;
  /// What is kept for watches now.
  std::size_t history_events = 0;
  std::size_t history_bytes = 0;
};

class SqliteStore final : public Store {
 public:
  /// Blocks while it reads the file (call it at start). Errors: `locked` (the detail names the process that
  /// has it), `newer`, `corrupt`, `full`, `io`. The store keeps to `reactor`'s thread and takes the time from
  /// its clock.
  static Result<std::unique_ptr<SqliteStore>> open(runtime::Reactor& reactor, base::Random random,
                                                   SqliteOptions options);
  /// One of these objects in memory alone: they can be read and watched, and changes are refused as
  /// `read_only`.
  static std::unique_ptr<SqliteStore> of(runtime::Reactor& reactor, std::vector<Object> objects);
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;
  /// Waits for the commit that is under way; what is still queued behind it was never answered and is
  /// dropped.
  ~SqliteStore() override;

  Object get(const Key& key) const override;
  List list(std::string_view kind, std::string_view ns = {}) const override;
  Result<Version> parse_version(std::string_view text) const override;
  runtime::Task<Result<Object>> create(base::Json object) override;
  runtime::Task<Result<Object>> update(base::Json object) override;
  runtime::Task<Result<Object>> update_status(base::Json object) override;
  runtime::Task<Result<Object>> remove(Key key, std::optional<Version> version) override;
  Result<std::unique_ptr<Watch>> watch(std::string kind, Version since) override;

  SqliteStats stats() const;

 private:
  struct Impl;
  explicit SqliteStore(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::store
