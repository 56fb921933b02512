// What the tests of the store share: a state folder of their own, and objects to put there.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "runtime/combine.h"
#include "runtime/reactor.h"
#include "store/history.h"
#include "store/sqlite.h"

namespace weft::store {

/// A new folder that goes with its owner.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string path = ::testing::TempDir() + "weft-store-XXXXXX";
    path_ = ::mkdtemp(path.data());
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

inline base::Json object(std::string_view kind, std::string_view name, int replicas = 1) {
  return {{"apiVersion", "v1"},
          {"kind", kind},
          {"metadata", {{"name", name}, {"namespace", "default"}}},
          {"spec", {{"replicas", replicas}}}};
}

inline Key deployment(std::string_view name) { return {"Deployment", "default", std::string(name)}; }

/// The place of a version among those of this store.
inline std::uint64_t place(const Version& version) { return number_of(version).value_or(0); }
inline std::uint64_t place(const Object& object) { return place(version_of(*object)); }

inline runtime::Task<void> keep(runtime::Task<Result<Object>> task, std::vector<Result<Object>>& into,
                                std::size_t index) {
  into[index] = co_await std::move(task);
}

/// Runs all of them beside each other and gives their results in order.
inline std::vector<Result<Object>> run_all(runtime::Reactor& reactor,
                                           std::vector<runtime::Task<Result<Object>>> tasks) {
  std::vector<Result<Object>> results(tasks.size(), base::fail(StoreErrorKind::io, "not answered"));
  std::vector<runtime::Task<void>> kept;
  for (std::size_t i = 0; i < tasks.size(); ++i) kept.push_back(keep(std::move(tasks[i]), results, i));
  reactor.block_on(runtime::all(std::move(kept)));
  return results;
}

/// A reactor with a hand-driven clock and one state file, opened as often as a test wants.
class StoreTest : public ::testing::Test {
 protected:
  void open(std::uint32_t max_pages = 0) {
    store.reset();
    auto opened = SqliteStore::open(reactor, base::Random(++seed), {.path = path(), .max_pages = max_pages});
    ASSERT_TRUE(opened.has_value()) << opened.error().detail;
    store = std::move(*opened);
  }
  std::string path() const { return folder.file("store.db"); }
  Result<Object> create(base::Json json) { return reactor.block_on(store->create(std::move(json))); }
  Result<Object> update(base::Json json) { return reactor.block_on(store->update(std::move(json))); }
  Result<Object> update_status(base::Json json) {
    return reactor.block_on(store->update_status(std::move(json)));
  }
  Result<Object> remove(Key key, std::optional<Version> version = {}) {
    return reactor.block_on(store->remove(std::move(key), std::move(version)));
  }
  /// From which on a watch of Deployments tells what follows.
  Version version() const { return store->list("Deployment").version; }

  TemporaryFolder folder;
  base::ManualClock clock;
  runtime::Reactor reactor{clock};
  std::uint64_t seed = 0;
  std::unique_ptr<SqliteStore> store;
};

}  // namespace weft::store
