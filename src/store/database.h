// The SQLite file: opened and checked, read once, then written in transactions. No thread of its own; one
// caller at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "store/store.h"

struct sqlite3;
struct sqlite3_stmt;

namespace weft::store {

/// One durable change: the new state, or none for a deletion.
struct Row {
  Key key;
  Object object;
};

class Database {
 public:
  /// Opens `path` or makes it, with mode 0600. On a file system that is read-only, a copy in `spare_folder`
  /// is opened, so that it can be read, and every commit() looks whether the file itself can be written by
  /// then
  /// (`read_only`). Errors: `newer`, `corrupt`, `full`, `read_only`, `io`. `max_pages` as in SqliteOptions.
  static Result<std::unique_ptr<Database>> open(const std::string& path, const std::string& spare_folder,
                                                std::uint32_t max_pages);
  /// The one whose file, at `path`, has these bytes: in memory alone.
  static Result<std::unique_ptr<Database>> open_image(const std::string& path, std::string bytes);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  /// Every object in the file.
  Result<std::vector<Object>> load();
  /// Versions up to this one may have been given out.
  Result<std::uint64_t> version_ceiling();
  /// All or nothing, on disk when it returns. `ceiling` 0 leaves the version ceiling as it is.
  Result<void> commit(const std::vector<Row>& rows, std::uint64_t ceiling);

 private:
  Database(sqlite3* handle, std::string path);
  static Result<std::unique_ptr<Database>> open_file(const std::string& path, std::uint32_t max_pages);
  static Result<std::unique_ptr<Database>> open_copy(const std::string& path,
                                                     const std::string& spare_folder);
  Result<void> leave_copy();

  Result<void> prepare(std::uint32_t max_pages);
  Result<void> check_format();
  Result<void> run(const char* sql);
  Result<std::int64_t> number(const char* sql);
  Result<sqlite3_stmt*> statement(const char* sql);
  Result<void> step(sqlite3_stmt* statement);
  Result<void> write(const Row& row);
  std::unexpected<StoreError> failure(std::string_view doing) const;

  std::string image_;  // of one in memory: what handle_ reads
  sqlite3* handle_;
  std::string path_;
  sqlite3_stmt* put_ = nullptr;
  sqlite3_stmt* erase_ = nullptr;
  sqlite3_stmt* raise_ = nullptr;
  std::string original_;  // of a copy: the file that it stands for
  std::uint32_t original_pages_ = 0;
};

}  // namespace weft::store
