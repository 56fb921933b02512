// `apply`: makes stored resources what the files say, with kubectl's three-way merge.
#pragma once

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
  std::vector<std::string> warnings;
};

/// Namespaces and the like first, then Services, then workloads; many at a time. One that fails does not keep
/// the others.
runtime::Task<ApplyReport> apply_all(Api& api, std::vector<model::Object> objects);

/// What apply would store of an object: with the annotation that says which file it came from.
base::Json desired_of(const model::Object& object);
/// What of apply's patch is a change to who reads it, for `apply` and `diff` alike: all but the annotations
/// in which apply notes the file and what it has sent.
base::Json visible_part(base::Json patch);

}  // namespace weft::cli
