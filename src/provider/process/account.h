// The user that an instance runs as, where it is not the mesh's own.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "provider/provider.h"

namespace weft::provider::process {

/// Who an instance runs as.
struct Account {
  /// Nothing: as this process itself.
  std::optional<Credentials> credentials;
  /// HOME, USER and LOGNAME of another user.
  std::vector<std::pair<std::string, std::string>> variables;
};

/// Looks a user and a group up, by name or number, in /etc/passwd and /etc/group: their own group unless
/// another is named, and the further groups that /etc/group gives the user. A number that is no user's has
/// the group of the same number, no further ones, and / as its home. `wrong_config`: there is no such name,
/// only root may do it, or it would be root that must not be.
Result<Account> find_account(const RunAs& wanted);

}  // namespace weft::provider::process
