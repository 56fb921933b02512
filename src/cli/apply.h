// `apply`: makes stored resources what the files say, with kubectl's three-way merge.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "cli/api.h"
#include "cli/readiness.h"
#include "model/load.h"

namespace weft::cli {

/// Unchanged is also what differs only in what apply notes for itself.
enum class Change : std::uint8_t { created, configured, unchanged };
std::string_view to_string(Change change);

struct Applied {
  Awaited which;
  Change change = Change::unchanged;
  base::Json object;
};

struct ApplyReport {
  /// In the order of the objects given; those that failed are missing.
  std::vector<Applied> applied;
  std::vector<Failure> failures;
};

/// Whether anything is stored, and who finds out what would be: the control plane, which says too what it
/// would refuse, or this process.
enum class DryRun : std::uint8_t { none, client, server };

struct ApplyOptions {
  DryRun dry_run = DryRun::none;
  /// The set that the objects belong to from now on; empty: none.
  std::string set;
};

/// What is in no namespace first, then Services, ConfigMaps and the like, then workloads; many at a time. One
/// that fails does not keep the others.
runtime::Task<ApplyReport> apply_all(Api& api, std::vector<model::Object> objects, ApplyOptions options = {});

/// What `apply --prune` takes away, the last applied first: what was applied (by whatever program keeps
/// kubectl's annotation), is in the set or, without one, matches the selector in a namespace of what is kept,
/// and is not among `kept`. Namespaces stay: what is in them may be of others.
runtime::Task<Result<std::vector<Awaited>>> find_pruned(Api& api, std::vector<Awaited> kept, std::string set,
                                                        std::string selector);

/// What apply would store of an object: with the annotation that says which file it came from.
base::Json desired_of(const model::Object& object);
/// Which resource it is.
Awaited which(const model::Object& object);
/// Fields of the metadata that the control plane writes: a file made by `get -o yaml` has them too.
inline constexpr std::array<const char*, 5> written_by_server = {"resourceVersion", "uid", "generation",
                                                                 "creationTimestamp", "managedFields"};
/// What of apply's patch is a change to who reads it, for `apply` and `diff` alike: all but the annotations
/// in which apply notes the file and what it has sent.
base::Json visible_part(base::Json patch);

}  // namespace weft::cli
