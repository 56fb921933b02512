// What one subscriber can have: the names and versions of all resources of one Snapshot, or of one proxy's
// placements. Bodies are made when they are sent, so that a connected context costs the control plane little
// memory.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "snapshot/snapshot.h"
#include "xds/dialect.h"
#include "xds/wire.h"

namespace weft::xds {

struct Inventory {
  struct Entry {
    /// Points into the Snapshot (or into `names`).
    std::string_view name;
    std::string version;
    /// Whether a listener or cluster leads to it: a proxy asks for nothing else.
    bool referenced = true;
  };

  Inventory() { entries.fill(std::make_shared<const std::vector<Entry>>()); }

  /// Of a foreign dialect: translated.
  snapshot::SnapshotPtr snapshot;
  Dialect dialect = Dialect::weft;
  /// Names that stand in no Snapshot: the context's, or the placements'.
  std::vector<std::string> names;
  std::vector<snapshot::ContextId> placed;
  using Entries = std::shared_ptr<const std::vector<Entry>>;
  /// By type, each sorted by name. Shared with the inventory before if the Snapshots share those parts.
  std::array<Entries, type_count> entries;

  const Entries& shared(Type type) const { return entries[static_cast<std::size_t>(type)]; }
  const std::vector<Entry>& of(Type type) const { return *shared(type); }
  const Entry* find(Type type, std::string_view name) const;
  /// The resource of that name, which must be there.
  Resource resource(Type type, std::string_view name) const;
};

using InventoryPtr = std::shared_ptr<const Inventory>;

/// The inventory of `snapshot`. Versions of parts that are equal in `before` (may be null, else of the same
/// dialect) are taken from there.
InventoryPtr take_inventory(snapshot::SnapshotPtr snapshot, const InventoryPtr& before,
                            Dialect dialect = Dialect::weft);
/// What foreign clients have of one context, made when one asks for it.
class Translations {
 public:
  InventoryPtr of(const snapshot::SnapshotPtr& snapshot, Dialect dialect);
  /// Nobody speaks it any more.
  void forget(Dialect dialect) { known_.erase(dialect); }

 private:
  struct Known {
    snapshot::SnapshotPtr of;
    InventoryPtr inventory;
  };
  std::map<Dialect, Known> known_;
};

/// The inventory of a proxy's contexts, which are sorted and made unique.
InventoryPtr take_inventory(std::vector<snapshot::ContextId> contexts);

}  // namespace weft::xds
