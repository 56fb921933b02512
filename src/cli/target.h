// Which resources a command line names: KIND NAME..., KIND/NAME..., KIND.
#pragma once

#include <string>
#include <vector>

#include "cli/api.h"
#include "cli/failure.h"
#include "model/kinds.h"

namespace weft::cli {

/// One resource, or all of a kind if `name` is empty.
struct Target {
  const model::Kind* kind = nullptr;
  std::string name;
  bool operator==(const Target&) const = default;
};

/// The kind of that name in any of its spellings; else an error with the nearest.
Result<const model::Kind*> parse_kind(const std::string& text);

/// "service web cart", "svc/web job/migrate", "pods", "services,deployments"; each once. `default_kind`, if
/// given, is the kind of a single word that is no kind.
Result<std::vector<Target>> parse_targets(const std::vector<std::string>& words,
                                          const std::string& default_kind = {});

/// The targets that have a name, and in place of those without all of that kind in `ns` whose labels match
/// `selector` (empty: any do). Names together with a selector are refused.
runtime::Task<Result<std::vector<Target>>> find_targets(Api& api, std::vector<Target> targets, std::string ns,
                                                        std::string selector);
/// The same check alone.
Result<void> check_selector(const std::vector<Target>& targets, const std::string& selector);

}  // namespace weft::cli
