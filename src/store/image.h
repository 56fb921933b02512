// A store's file read without opening it: nothing is locked, written or made.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "store/store.h"

namespace weft::store {

/// What the store at `path` holds, also if its last user was killed; nothing if there is none. For whoever
/// reads while nobody writes: what is written meanwhile may be seen in part. Errors: `newer`, `corrupt`,
/// `io`.
Result<std::vector<Object>> stored_objects(const std::string& path);

/// Lays what a write-ahead log has committed over a database's pages
/// (https://sqlite.org/fileformat2.html, 4); what is torn or left from before is passed over.
void lay_over(std::string& pages, std::string_view log);

}  // namespace weft::store
