// The store: versioned resources with watches, as the Kubernetes API defines them. One interface;
// implementations are SQLite (sqlite.h) and, later, a Kubernetes API server.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "runtime/task.h"

namespace weft::store {

enum class StoreErrorKind : std::uint8_t {
  not_found,
  already_exists,
  /// The resourceVersion that the change was based on is not the current one.
  conflict,
  /// The watch's starting version is no longer known.
  gone,
  /// The object has no kind, name or the like; the caller should have checked it.
  malformed,
  /// The disk is full. Nothing was changed.
  full,
  /// The file system is read-only. Nothing was changed.
  read_only,
  /// Any other fault of the disk. Nothing was changed.
  io,
  /// Only when opening: another process has the store.
  locked,
  /// Only when opening: the file is damaged or no weft store.
  corrupt,
  /// Only when opening: the file was written by a newer weft.
  newer,
};
using StoreError = base::ErrorOf<StoreErrorKind>;
/// "already exists", for messages.
std::string_view to_string(StoreErrorKind kind);
/// Whether the same call can succeed later although nobody changed what is asked for.
bool can_retry(StoreErrorKind kind);

template <class T>
using Result = std::expected<T, StoreError>;

/// Names one object. `ns` is empty for kinds without namespace.
struct Key {
  std::string kind;
  std::string ns;
  std::string name;

  friend bool operator==(const Key&, const Key&) = default;
  friend auto operator<=>(const Key&, const Key&) = default;
};

/// Of an object's kind, metadata.namespace and metadata.name; what is missing or no string is left empty.
Key key_of(const base::Json& object);

/// A resourceVersion: a token of the store that gave it, about the objects of one kind. Only that store knows
/// which of two is the later one; all others compare them for equality alone.
class Version {
 public:
  /// That of an object that was never stored.
  Version() = default;
  explicit Version(std::string text) : text_(std::move(text)) {}
  const std::string& text() const { return text_; }

  friend bool operator==(const Version&, const Version&) = default;

 private:
  std::string text_;
};

/// The metadata.resourceVersion of a stored object.
Version version_of(const base::Json& object);

/// An object as stored: immutable, shared by all who read it.
using Object = std::shared_ptr<const base::Json>;

/// The objects of a kind as they are at one moment, and from which version on a watch tells what follows.
struct List {
  std::vector<Object> objects;
  Version version;
};

struct Event {
  enum class Type : std::uint8_t { added, modified, deleted };
  Type type = Type::added;
  Key key;
  /// After the change; of a deletion, the last state with the deletion's resourceVersion.
  Object object;
  /// The state before; null for an addition.
  Object previous;
};

/// What has happened to the objects of a kind since a version, in order. Destroying it ends it.
class Watch {
 public:
  virtual ~Watch() = default;
  /// At least one event, all that are there; the error `gone` if the watcher was too slow.
  virtual runtime::Task<Result<std::vector<Event>>> next() = 0;
  /// Everything up to this version has been given out: another watch can go on from here.
  virtual Version seen() const = 0;
};

/// Whether a kind is durable (specs, and what cannot be derived) or lives in memory only (Pod, Event,
/// EndpointSlice).
bool is_ephemeral(std::string_view kind);

/// All calls are for the thread of the reactor that it was made with. Reads are from memory and see every
/// write that has been answered.
class Store {
 public:
  virtual ~Store() = default;

  virtual Object get(const Key& key) const = 0;
  /// All of a kind, sorted by namespace and name; `ns` empty means all namespaces.
  virtual List list(std::string_view kind, std::string_view ns = {}) const = 0;
  /// The version that a client means by `text`; the error `malformed` if none of this store is written so.
  virtual Result<Version> parse_version(std::string_view text) const = 0;

  /// Sets uid, creationTimestamp, generation 1 and resourceVersion. Answered when it is on disk. Whoever
  /// stops waiting for the answer of a change does not undo it.
  virtual runtime::Task<Result<Object>> create(base::Json object) = 0;
  /// Replaces all but status. A resourceVersion in `object` must be the current one; without one it always
  /// applies. A uid in `object` must be the current one, too. generation rises when anything outside metadata
  /// and status differs. No change, no new version.
  virtual runtime::Task<Result<Object>> update(base::Json object) = 0;
  /// Replaces status alone, by the same rule of versions; generation stays.
  virtual runtime::Task<Result<Object>> update_status(base::Json object) = 0;
  /// `version`, if given, must be the current one.
  virtual runtime::Task<Result<Object>> remove(Key key, std::optional<Version> version) = 0;

  /// Events of `kind` after version `since`, which came from a list, a watch or an object of that kind; the
  /// error `gone` if history does not reach back so far.
  virtual Result<std::unique_ptr<Watch>> watch(std::string kind, Version since) = 0;
};

}  // namespace weft::store
