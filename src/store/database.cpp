#include "store/database.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "runtime/error.h"
#include "runtime/fd.h"

namespace weft::store {

namespace {

/// PRAGMA user_version. Raise it with every change of the tables, and migrate in check_format().
constexpr std::int64_t format_version = 1;
/// PRAGMA application_id: "weft".
constexpr std::int64_t application_id = 0x77656674;
/// The log file is cut to this size when it has been carried over into the database.
constexpr int wal_size_limit = 4 << 20;

int code_of(sqlite3* handle) { return sqlite3_extended_errcode(handle) & 0xff; }

}  // namespace

Database::Database(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}

Database::~Database() {
  for (auto* statement : {put_, erase_, raise_}) sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

std::unexpected<StoreError> Database::failure(std::string_view doing) const {
  const int os_error = sqlite3_system_errno(handle_);
  auto kind = StoreErrorKind::io;
  switch (code_of(handle_)) {
    case SQLITE_FULL: kind = StoreErrorKind::full; break;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      if (os_error == ENOSPC || os_error == EDQUOT) kind = StoreErrorKind::full;
      if (os_error == EROFS) kind = StoreErrorKind::read_only;
      break;
    case SQLITE_READONLY: kind = StoreErrorKind::read_only; break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: kind = StoreErrorKind::corrupt; break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: kind = StoreErrorKind::locked; break;
    default: break;
  }
  return base::fail(kind, fmt::format("{}: {}: {}", path_, doing, sqlite3_errmsg(handle_)));
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path, const std::string& spare_folder,
                                                 std::uint32_t max_pages) {
  // SQLite would make it by the umask; what it makes beside it has the mode of this one.
  const auto file = runtime::open_private(path);
  if (!file) {
    const auto kind = errno == ENOSPC || errno == EDQUOT ? StoreErrorKind::full : StoreErrorKind::io;
    return base::fail(kind, fmt::format("cannot open {}: {}", path, runtime::IoError{errno}.message()));
  }
  if ((::fcntl(file.get(), F_GETFL) & O_ACCMODE) == O_RDWR) return open_file(path, max_pages);
  auto copy = open_copy(path, spare_folder);
  if (copy) (*copy)->original_pages_ = max_pages;
  return copy;
}

Result<std::unique_ptr<Database>> Database::open_copy(const std::string& path,
                                                      const std::string& spare_folder) {
  if (spare_folder.empty()) return base::fail(StoreErrorKind::read_only, path);
  const auto copied = spare_folder + "/read-only.db";
  for (const auto* part : {"", "-wal"}) {
    std::error_code error;
    std::filesystem::remove(copied + part, error);
    if (!std::filesystem::exists(path + part, error)) continue;
    if (!std::filesystem::copy_file(path + part, copied + part, error)) {
      return base::fail(StoreErrorKind::io, fmt::format("{} is read-only and cannot be copied to {}: {}",
                                                        path, copied, error.message()));
    }
  }
  auto database = open_file(copied, 0);
  if (database) (*database)->original_ = path;
  return database;
}

/// Nobody has written the file meanwhile: this process holds its lock.
Result<void> Database::leave_copy() {
  if (::access(original_.c_str(), W_OK) != 0) return base::fail(StoreErrorKind::read_only, original_);
  auto file = open_file(original_, original_pages_);
  if (!file) return std::unexpected(file.error());
  std::swap(handle_, (*file)->handle_);
  std::swap(put_, (*file)->put_);
  std::swap(erase_, (*file)->erase_);
  std::swap(raise_, (*file)->raise_);
  path_ = std::exchange(original_, {});
  return {};
}

Result<std::unique_ptr<Database>> Database::open_file(const std::string& path, std::uint32_t max_pages) {
  for (const auto* beside : {"", "-wal", "-shm", "-journal"}) ::chmod((path + beside).c_str(), 0600);
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (handle == nullptr) return base::fail(StoreErrorKind::io, fmt::format("{}: out of memory", path));
  std::unique_ptr<Database> database(new Database(handle, path));
  if (code != SQLITE_OK) return database->failure("cannot open the store");
  sqlite3_extended_result_codes(handle, 1);
  if (auto ready = database->prepare(max_pages); !ready) return std::unexpected(ready.error());
  return database;
}

Result<std::unique_ptr<Database>> Database::open_image(const std::string& path, std::string bytes) {
  // What says that there is a write-ahead log, which memory has not (https://sqlite.org/fileformat2.html,
  // 1.3.3).
  if (bytes.size() > 19) bytes[18] = bytes[19] = 1;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(":memory:", &handle,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (handle == nullptr) return base::fail(StoreErrorKind::io, fmt::format("{}: out of memory", path));
  std::unique_ptr<Database> database(new Database(handle, path));
  database->image_ = std::move(bytes);
  auto& image = database->image_;
  auto* const data = reinterpret_cast<unsigned char*>(image.data());
  const auto size = static_cast<sqlite3_int64>(image.size());
  if (code != SQLITE_OK ||
      sqlite3_deserialize(handle, "main", data, size, size, SQLITE_DESERIALIZE_READONLY) != SQLITE_OK) {
    return database->failure("cannot read the store");
  }
  if (auto checked = database->check_format(); !checked) return std::unexpected(checked.error());
  return database;
}

Result<void> Database::prepare(std::uint32_t max_pages) {
  // The exclusive mode comes before WAL: the log's index is then in memory, not in a file that a full disk
  // could break.
  if (auto done = run("PRAGMA locking_mode=EXCLUSIVE"); !done) return done;
  if (auto done = check_format(); !done) return done;
  if (auto done = run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"); !done) return done;
  if (auto done = run(fmt::format("PRAGMA journal_size_limit={}", wal_size_limit).c_str()); !done)
    return done;
  if (max_pages != 0) {
    if (auto done = run(fmt::format("PRAGMA max_page_count={}", max_pages).c_str()); !done) return done;
  }
  const auto remember = [this](sqlite3_stmt*& into, const char* sql) -> Result<void> {
    auto made = statement(sql);
    if (!made) return std::unexpected(made.error());
    into = *made;
    return {};
  };
  if (auto done = remember(put_,
                           "INSERT INTO objects (kind, ns, name, body) VALUES (?1, ?2, ?3, ?4) "
                           "ON CONFLICT DO UPDATE SET body = excluded.body");
      !done) {
    return done;
  }
  if (auto done = remember(erase_, "DELETE FROM objects WHERE kind = ?1 AND ns = ?2 AND name = ?3"); !done)
    return done;
  return remember(raise_, "UPDATE counters SET value = ?1 WHERE name = 'version_ceiling'");
}

Result<void> Database::check_format() {
  const auto format = number("PRAGMA user_version");
  if (!format) return std::unexpected(format.error());
  const auto application = number("PRAGMA application_id");
  if (!application) return std::unexpected(application.error());
  if (*format > format_version) {
    return base::fail(
        StoreErrorKind::newer,
        fmt::format("{} has format {}, this weft knows formats up to {}: it was written by a newer weft",
                    path_, *format, format_version));
  }
  if (*format == 0) {
    const auto tables = number("SELECT count(*) FROM sqlite_schema");
    if (!tables) return std::unexpected(tables.error());
    if (*tables != 0) {
      return base::fail(StoreErrorKind::corrupt, fmt::format("{} is a database of another program", path_));
    }
    return run(
        fmt::format("BEGIN;"
                    "CREATE TABLE objects (kind TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL, "
                    "body TEXT NOT NULL, PRIMARY KEY (kind, ns, name)) WITHOUT ROWID;"
                    "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
                    "INSERT INTO counters VALUES ('version_ceiling', 0);"
                    "PRAGMA user_version={}; PRAGMA application_id={};"
                    "COMMIT",
                    format_version, application_id)
            .c_str());
  }
  if (*application != application_id) {
    return base::fail(StoreErrorKind::corrupt, fmt::format("{} is a database of another program", path_));
  }
  auto check = statement("PRAGMA quick_check(1)");
  if (!check) return std::unexpected(check.error());
  const int code = sqlite3_step(*check);
  const auto* text = code == SQLITE_ROW ? sqlite3_column_text(*check, 0) : nullptr;
  const std::string verdict = text != nullptr ? reinterpret_cast<const char*>(text) : "";
  auto failed = failure("cannot check the store");
  sqlite3_finalize(*check);
  if (code != SQLITE_ROW) return failed;
  if (verdict != "ok")
    return base::fail(StoreErrorKind::corrupt, fmt::format("{} is damaged: {}", path_, verdict));
  return {};
}

Result<std::vector<Object>> Database::load() {
  auto select = statement("SELECT body FROM objects ORDER BY kind, ns, name");
  if (!select) return std::unexpected(select.error());
  std::vector<Object> objects;
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(*select)) == SQLITE_ROW) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(*select, 0));
    const auto length = static_cast<std::size_t>(sqlite3_column_bytes(*select, 0));
    auto body = base::Json::parse(text, text + length, nullptr, /*allow_exceptions=*/false);
    if (const auto key = key_of(body); key.kind.empty() || key.name.empty()) {
      sqlite3_finalize(*select);
      return base::fail(StoreErrorKind::corrupt,
                        fmt::format("{} is damaged: it holds an object that is none", path_));
    }
    objects.push_back(std::make_shared<const base::Json>(std::move(body)));
  }
  auto failed = failure("cannot read the store");
  sqlite3_finalize(*select);
  if (code != SQLITE_DONE) return failed;
  return objects;
}

Result<std::uint64_t> Database::version_ceiling() {
  auto value = number("SELECT value FROM counters WHERE name = 'version_ceiling'");
  if (!value) return std::unexpected(value.error());
  return static_cast<std::uint64_t>(*value);
}

Result<void> Database::commit(const std::vector<Row>& rows, std::uint64_t ceiling) {
  if (!original_.empty()) {
    if (auto left = leave_copy(); !left) return left;
  }
  auto done = run("BEGIN IMMEDIATE");
  for (auto row = rows.begin(); done && row != rows.end(); ++row) done = write(*row);
  if (done && ceiling != 0) {
    sqlite3_bind_int64(raise_, 1, static_cast<sqlite3_int64>(ceiling));
    done = step(raise_);
  }
  if (done) done = run("COMMIT");
  // SQLite has rolled some failures back on its own.
  if (!done && sqlite3_get_autocommit(handle_) == 0)
    sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
  return done;
}

Result<void> Database::write(const Row& row) {
  auto* statement = row.object ? put_ : erase_;
  const auto bind = [&](int index, const std::string& text) {
    return sqlite3_bind_text64(statement, index, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8) ==
           SQLITE_OK;
  };
  // What is no UTF-8 (a log line in a condition, say) must not keep the object from being stored.
  const auto body =
      row.object ? row.object->dump(-1, ' ', false, base::Json::error_handler_t::replace) : std::string();
  bool bound = bind(1, row.key.kind) && bind(2, row.key.ns) && bind(3, row.key.name);
  if (row.object) bound = bound && bind(4, body);
  if (!bound) return failure("cannot write an object");
  auto done = step(statement);
  sqlite3_clear_bindings(statement);
  return done;
}

Result<void> Database::run(const char* sql) {
  if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return failure("cannot write the store");
}

Result<std::int64_t> Database::number(const char* sql) {
  auto query = statement(sql);
  if (!query) return std::unexpected(query.error());
  const int code = sqlite3_step(*query);
  const std::int64_t value = code == SQLITE_ROW ? sqlite3_column_int64(*query, 0) : 0;
  auto failed = failure("cannot read the store");
  sqlite3_finalize(*query);
  if (code != SQLITE_ROW) return failed;
  return value;
}

Result<sqlite3_stmt*> Database::statement(const char* sql) {
  sqlite3_stmt* made = nullptr;
  if (sqlite3_prepare_v2(handle_, sql, -1, &made, nullptr) != SQLITE_OK)
    return failure("cannot read the store");
  return made;
}

Result<void> Database::step(sqlite3_stmt* statement) {
  Result<void> done;
  if (sqlite3_step(statement) != SQLITE_DONE) done = failure("cannot write an object");
  sqlite3_reset(statement);
  return done;
}

}  // namespace weft::store
