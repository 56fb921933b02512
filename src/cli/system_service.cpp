// `service nginx restart` and the like go to the system's own command, unchanged.
#include "cli/system_service.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

#include "cli/output.h"
#include "cli/session.h"

namespace weft::cli {

namespace {

constexpr const char* fallback = "/usr/sbin/service";
constexpr int not_found_code = 127;  // as a shell has it

bool is_other_program(const std::string& path, const std::string& own) {
  std::error_code error;
  const auto real = std::filesystem::canonical(path, error);
  return !error && real != own && access(path.c_str(), X_OK) == 0 &&
         std::filesystem::is_regular_file(real, error);
}

}  // namespace

bool is_own_service_verb(std::string_view word) {
  constexpr std::array<std::string_view, 7> own = {"create", "list", "describe", "delete",
                                                   "--help", "-h",   "help"};
  return std::ranges::find(own, word) != own.end();
}

std::optional<std::string> find_system_service(std::string_view search_path, const std::string& own) {
  while (!search_path.empty()) {
    const auto end = std::min(search_path.find(':'), search_path.size());
    const std::string folder(search_path.substr(0, end));
    search_path.remove_prefix(std::min(end + 1, search_path.size()));
    if (folder.empty()) continue;
    std::string path = folder + "/service";
    if (is_other_program(path, own)) return path;
  }
  if (is_other_program(fallback, own)) return fallback;
  return std::nullopt;
}

int run_system_service(char** argv) {
  const char* search_path = std::getenv("PATH");
  auto path = find_system_service(search_path == nullptr ? "" : search_path, own_program());
  if (path) {
    execv(path->c_str(), argv);
    tell(fmt::format("error: cannot run {}\n", *path));
  } else {
    tell(fmt::format(
        "error: service {}: not a verb of weft's `service` (create, list, describe, delete), and this system "
        "has no other `service`\n  do: service --help\n",
        argv[1]));
  }
  return not_found_code;
}

}  // namespace weft::cli
