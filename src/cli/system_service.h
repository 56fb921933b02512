// The other command called `service`: Debian's, which weft's stands in front of on the PATH.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weft::cli {

/// Whether `service WORD ...` is weft's own: create, list, describe, delete, or a request for help.
bool is_own_service_verb(std::string_view word);

/// The next `service` on `search_path` (a PATH) that is not the file `own`, else /usr/sbin/service if it
/// exists.
std::optional<std::string> find_system_service(std::string_view search_path, const std::string& own);

/// Runs the system's `service` in place of this process. Returns the exit code 127 only if there is none.
int run_system_service(char** argv);

}  // namespace weft::cli
