#include "provider/process/account.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>
#include <string_view>

namespace weft::provider::process {
namespace {

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string home;
};

std::optional<std::uint32_t> number_of(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return number;
}

/// Not getpwnam(), which would load libraries and might ask other machines.
std::optional<User> find_user(const std::string& wanted) {
  const auto number = number_of(wanted);
  const File file(std::fopen("/etc/passwd", "re"));
  while (file) {
    const passwd* entry = fgetpwent(file.get());
    if (!entry) break;
    if (number ? entry->pw_uid == *number : wanted == entry->pw_name)
      return User{entry->pw_name, entry->pw_uid, entry->pw_gid, entry->pw_dir};
  }
  if (number) return User{wanted, *number, *number, "/"};
  return {};
}

/// Calls `visit` for each group until it gives false.
template <class Visit>
void for_each_group(Visit visit) {
  const File file(std::fopen("/etc/group", "re"));
  while (file) {
    const group* entry = fgetgrent(file.get());
    if (!entry || !visit(*entry)) break;
  }
}

std::optional<gid_t> find_group(const std::string& wanted) {
  if (const auto number = number_of(wanted)) return number;
  std::optional<gid_t> found;
  for_each_group([&](const group& entry) {
    if (wanted == entry.gr_name) found = entry.gr_gid;
    return !found;
  });
  return found;
}

std::vector<gid_t> groups_of(const std::string& user, gid_t first) {
  std::vector<gid_t> groups{first};
  for_each_group([&](const group& entry) {
    for (char** member = entry.gr_mem; *member; ++member) {
      if (user == *member && entry.gr_gid != first) groups.push_back(entry.gr_gid);
    }
    return true;
  });
  return groups;
}

std::unexpected<ProviderError> wrong(std::string text) {
  return base::fail(ProviderErrorKind::wrong_config, std::move(text));
}

}  // namespace

Result<Account> find_account(const RunAs& wanted) {
  const bool has_user = !wanted.user.empty();
  const auto user = has_user ? find_user(wanted.user) : find_user(std::to_string(::geteuid()));
  if (!user) return wrong(fmt::format("runAsUser: /etc/passwd has no user {}", wanted.user));
  const auto group = !wanted.group.empty() ? find_group(wanted.group)
                     : has_user            ? std::optional(user->gid)
                                           : std::optional(::getegid());
  if (!group) return wrong(fmt::format("runAsGroup: /etc/group has no group {}", wanted.group));
  if (wanted.non_root && user->uid == 0)
    return wrong("runAsNonRoot is true, but it would run as root: name another user in runAsUser");
  if (user->uid == ::geteuid() && *group == ::getegid()) return Account{};
  if (::geteuid() != 0) {
    return wrong(
        fmt::format("only root may run it as user {} and group {}: start the mesh as root, or leave "
                    "runAsUser and runAsGroup out",
                    user->name, *group));
  }
  Account account{.credentials = Credentials{user->uid, *group, groups_of(user->name, *group)},
                  .variables = {}};
  if (user->uid != ::geteuid())
    account.variables = {{"HOME", user->home}, {"USER", user->name}, {"LOGNAME", user->name}};
  return account;
}

}  // namespace weft::provider::process
