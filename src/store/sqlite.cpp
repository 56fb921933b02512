#include "store/sqlite.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "runtime/combine.h"
#include "runtime/log.h"
#include "runtime/work_thread.h"
#include "store/change.h"
#include "store/database.h"
#include "store/history.h"
#include "store/lock.h"

namespace weft::store {

namespace {

/// At most so many changes in one transaction, so that the first of a flood is not answered with the last.
constexpr std::size_t group_limit = 1024;
/// Versions are reserved on disk in blocks of this size: those of ephemeral kinds are never written, and yet
/// none may come again after a restart, which therefore skips what is left of a block.
constexpr std::uint64_t version_block = 100'000;

/// What a caller waits for.
struct Answer {
  std::optional<Result<Object>> value;
  runtime::Readiness ready;
};

/// A change on its way to being visible.
struct Change {
  Key key;
  bool durable = true;
  /// Nothing if this changes nothing and only waits to tell so, because it rests on a change that is on its
  /// way.
  std::optional<Numbered> event;
  Result<Object> outcome;
  std::shared_ptr<Answer> answer;
};

/// The newest state of an object that has changes on their way; a null object is a deletion.
struct Newest {
  Object object;
  std::uint64_t number = 0;
};

}  // namespace

/// A change goes: rules against the newest state -> queue -> transaction -> visible in memory, event, answer.
struct SqliteStore::Impl : std::enable_shared_from_this<Impl> {
  Impl(runtime::Reactor& reactor_in, base::Random random_in) : reactor(reactor_in), random(random_in) {}

  Result<void> open(const SqliteOptions& options);
  Result<void> reserve_versions();

  Object newest(const Key& key) const;
  Stamp stamp() const;
  runtime::Task<Result<Object>> submit(Key key, Event::Type type, Result<Object> next);
  void write_next();
  void tell_committed(Result<void> result);
  void committed(const Result<void>& result);
  void publish(const std::vector<Change>& changes);
  void note(const Result<void>& result);

  std::uint64_t ceiling_due() const {
    return last_version + version_block / 2 > ceiling ? last_version + version_block : 0;
  }
  bool is_idle() const { return writing.empty() && queue.empty(); }

  runtime::Reactor& reactor;
  base::Random random;
  runtime::Fd lock;
  std::map<Key, Object> visible;
  std::map<Key, Newest> in_flight;
  std::deque<Change> queue;
  std::vector<Change> writing;
  std::uint64_t last_version = 0;
  std::uint64_t ceiling = 0;
  std::uint64_t ceiling_writing = 0;
  bool disk_fails = false;
  SqliteStats stats;
  std::shared_ptr<History> history;
  std::unique_ptr<Database> database;  // of the thread below, once that runs
  // None if changes are refused. Last, so that it ends before anything else goes.
  std::unique_ptr<runtime::WorkThread> writer;
};

Result<void> SqliteStore::Impl::open(const SqliteOptions& options) {
  auto held = lock_file(options.path + ".lock");
  if (!held) return std::unexpected(held.error());
  lock = std::move(*held);
  auto opened = Database::open(options.path, options.spare_folder, options.max_pages);
  if (!opened) return std::unexpected(opened.error());
  database = std::move(*opened);
  if (auto reserved = reserve_versions(); !reserved) return reserved;
  auto objects = database->load();
  if (!objects) return std::unexpected(objects.error());
  for (auto& object : *objects) visible.emplace(key_of(*object), std::move(object));
  history = std::make_shared<History>(reactor, last_version);
  auto started = runtime::WorkThread::start();
  if (!started) {
    return base::fail(StoreErrorKind::io,
                      fmt::format("cannot start the thread that writes: {}", started.error().message()));
  }
  writer = std::move(*started);
  return {};
}

Result<void> SqliteStore::Impl::reserve_versions() {
  const auto used = database->version_ceiling();
  if (!used) return std::unexpected(used.error());
  last_version = *used;
  auto reserved = database->commit({}, last_version + version_block);
  if (reserved) {
    ceiling = last_version + version_block;
    return {};
  }
  const auto kind = reserved.error().kind;
  if (kind != StoreErrorKind::full && kind != StoreErrorKind::read_only) return reserved;
  // A control plane must come back on a disk that is full or read-only, too. The clock then keeps versions
  // from being given out twice.
  note(reserved);
  const auto wall =
      std::chrono::duration_cast<std::chrono::milliseconds>(reactor.clock().wall().time_since_epoch());
  last_version = std::max(last_version, static_cast<std::uint64_t>(wall.count()));
  ceiling = 0;
  return {};
}

Object SqliteStore::Impl::newest(const Key& key) const {
  if (auto it = in_flight.find(key); it != in_flight.end()) return it->second.object;
  auto it = visible.find(key);
  return it != visible.end() ? it->second : nullptr;
}

Stamp SqliteStore::Impl::stamp() const {
  return {.version = to_version(last_version + 1), .time = reactor.clock().wall(), .uid = {}};
}

/// Takes a change that the rules have decided on and answers when it is visible. Nothing suspends before the
/// change is in its place, so changes happen in the order of their calls.
runtime::Task<Result<Object>> SqliteStore::Impl::submit(Key key, Event::Type type, Result<Object> next) {
  const bool rests_on_flight = in_flight.contains(key);
  auto before = newest(key);
  // Of a deletion it is the last state, with a version of its own.
  const bool changes = next && *next != before;
  if (!changes && !rests_on_flight) co_return next;
  if (!writer) co_return base::fail(StoreErrorKind::read_only, "the store is only read here");

  Change change{.key = key, .durable = !is_ephemeral(key.kind), .event = {}, .outcome = next, .answer = {}};
  if (changes) {
    change.event =
        Numbered{++last_version, {.type = type, .key = key, .object = *next, .previous = std::move(before)}};
  }
  if (!change.durable && is_idle() && ceiling_due() == 0) {
    publish({std::move(change)});
    co_return next;
  }
  if (changes) in_flight[key] = {type == Event::Type::deleted ? nullptr : *next, last_version};
  auto answer = std::make_shared<Answer>();
  change.answer = answer;
  queue.push_back(std::move(change));
  if (writing.empty()) write_next();
  while (!answer->value) co_await runtime::Wait(answer->ready);
  co_return std::move(*answer->value);
}

/// Starts the next transaction with all that is queued.
void SqliteStore::Impl::write_next() {
  if (queue.empty()) return;
  const auto count = static_cast<std::ptrdiff_t>(std::min(queue.size(), group_limit));
  writing.assign(std::move_iterator(queue.begin()), std::move_iterator(queue.begin() + count));
  queue.erase(queue.begin(), queue.begin() + count);
  std::vector<Row> rows;
  for (const auto& change : writing) {
    if (!change.durable || !change.event) continue;
    const auto& event = change.event->event;
    rows.push_back({change.key, event.type == Event::Type::deleted ? nullptr : event.object});
  }
  ceiling_writing = ceiling_due();
  if (rows.empty() && ceiling_writing == 0) {
    tell_committed({});
    return;
  }
  ++stats.transactions;
  writer->run([this, rows = std::move(rows), version_ceiling = ceiling_writing] {
    tell_committed(database->commit(rows, version_ceiling));
  });
}

/// From any thread; this may be gone by the time that it is told.
void SqliteStore::Impl::tell_committed(Result<void> result) {
  reactor.post([self = weak_from_this(), result = std::move(result)] {
    if (auto impl = self.lock()) impl->committed(result);
  });
}

void SqliteStore::Impl::committed(const Result<void>& result) {
  const auto self = shared_from_this();
  auto done = std::exchange(writing, {});
  note(result);
  if (result) {
    ceiling = std::max(ceiling, ceiling_writing);
    publish(done);
  } else {
    // Whatever is queued may rest on what has just failed, and would meet the same disk: all of it fails.
    // Only the kinds that never touch the disk go on.
    ++stats.failed_transactions;
    std::ranges::move(queue, std::back_inserter(done));
    queue.clear();
    std::vector<Change> kept;
    for (auto& change : done) {
      if (!change.durable) {
        kept.push_back(change);
      } else {
        in_flight.erase(change.key);
        change.outcome = std::unexpected(result.error());
      }
    }
    publish(kept);
  }
  write_next();
  // From here on others' code runs, which may do anything to this store.
  for (auto& change : done) {
    change.answer->value = std::move(change.outcome);
    change.answer->ready.notify();
  }
}

/// Makes changes visible, in order.
void SqliteStore::Impl::publish(const std::vector<Change>& changes) {
  std::vector<Numbered> events;
  for (const auto& change : changes) {
    if (!change.event) continue;
    const auto& [number, event] = *change.event;
    if (change.durable) ++stats.writes;
    if (event.type == Event::Type::deleted) {
      visible.erase(change.key);
    } else {
      visible[change.key] = event.object;
    }
    if (auto it = in_flight.find(change.key); it != in_flight.end() && it->second.number == number) {
      in_flight.erase(it);
    }
    events.push_back(*change.event);
  }
  history->append(std::move(events));
}

/// Tells the log when the disk begins to fail, and when it works again.
void SqliteStore::Impl::note(const Result<void>& result) {
  if (!result && !disk_fails)
    runtime::log::error("store", "changes cannot be stored: {}", result.error().detail);
  if (result && disk_fails) runtime::log::info("store", "changes can be stored again");
  disk_fails = !result;
}

SqliteStore::SqliteStore(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

SqliteStore::~SqliteStore() = default;

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(runtime::Reactor& reactor, base::Random random,
                                                       SqliteOptions options) {
  auto impl = std::make_shared<Impl>(reactor, random);
  if (auto opened = impl->open(options); !opened) return std::unexpected(opened.error());
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(impl)));
}

std::unique_ptr<SqliteStore> SqliteStore::of(runtime::Reactor& reactor, std::vector<Object> objects) {
  auto impl = std::make_shared<Impl>(reactor, base::Random(0));  // which makes the uids of what is created
  for (auto& object : objects) impl->visible.emplace(key_of(*object), std::move(object));
  impl->history = std::make_shared<History>(reactor, impl->last_version);
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(impl)));
}

Object SqliteStore::get(const Key& key) const {
  auto it = impl_->visible.find(key);
  return it != impl_->visible.end() ? it->second : nullptr;
}

List SqliteStore::list(std::string_view kind, std::string_view ns) const {
  List found{.objects = {}, .version = to_version(impl_->history->newest())};
  const Key from{std::string(kind), std::string(ns), {}};
  for (auto it = impl_->visible.lower_bound(from); it != impl_->visible.end(); ++it) {
    if (it->first.kind != kind || (!ns.empty() && it->first.ns != ns)) break;
    found.objects.push_back(it->second);
  }
  return found;
}

Result<Version> SqliteStore::parse_version(std::string_view text) const {
  Version version{std::string(text)};
  if (!number_of(version)) return base::fail(StoreErrorKind::malformed, "it is no whole number");
  return version;
}

SqliteStats SqliteStore::stats() const {
  auto stats = impl_->stats;
  stats.history_events = impl_->history->size();
  stats.history_bytes = impl_->history->bytes();
  return stats;
}

runtime::Task<Result<Object>> SqliteStore::create(base::Json object) {
  const auto key = key_of(object);
  if (key.kind.empty() || key.name.empty()) {
    co_return base::fail(StoreErrorKind::malformed, "an object needs a kind and a metadata.name");
  }
  auto stamp = impl_->stamp();
  stamp.uid = impl_->random.uuid();
  co_return co_await impl_->submit(key, Event::Type::added,
                                   created(impl_->newest(key), std::move(object), std::move(stamp)));
}

runtime::Task<Result<Object>> SqliteStore::update(base::Json object) {
  const auto key = key_of(object);
  if (key.kind.empty() || key.name.empty()) {
    co_return base::fail(StoreErrorKind::malformed, "an object needs a kind and a metadata.name");
  }
  co_return co_await impl_->submit(key, Event::Type::modified,
                                   updated(impl_->newest(key), std::move(object), impl_->stamp()));
}

runtime::Task<Result<Object>> SqliteStore::update_status(base::Json object) {
  const auto key = key_of(object);
  if (key.kind.empty() || key.name.empty()) {
    co_return base::fail(StoreErrorKind::malformed, "an object needs a kind and a metadata.name");
  }
  co_return co_await impl_->submit(key, Event::Type::modified,
                                   status_updated(impl_->newest(key), std::move(object), impl_->stamp()));
}

runtime::Task<Result<Object>> SqliteStore::remove(Key key, std::optional<Version> version) {
  co_return co_await impl_->submit(key, Event::Type::deleted,
                                   removed(impl_->newest(key), key, version, impl_->stamp()));
}

Result<std::unique_ptr<Watch>> SqliteStore::watch(std::string kind, Version since) {
  const auto number = number_of(since);
  if (!number)
    return base::fail(StoreErrorKind::gone,
                      fmt::format("version \"{}\" is none of this store", since.text()));
  return impl_->history->watch(std::move(kind), *number);
}

}  // namespace weft::store
