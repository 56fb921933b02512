// Namespaces: those that always exist, and what the deletion of one takes with it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/task.h"
#include "store/store.h"

namespace weft::control::api {

/// Whether the namespace always exists and cannot be deleted (`default`, `weft-system`).
bool is_permanent(std::string_view ns);

/// Removes a namespace after everything in it; gives the Namespace as it was. `version` as for Store::remove.
runtime::Task<store::Result<store::Object>> remove_namespace(store::Store& store, std::string ns,
                                                             std::optional<store::Version> version);

}  // namespace weft::control::api
