// Files of variables: NAME=VALUE lines, as `docker run --env-file` and Compose read them.
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::model {

struct EnvFileFault {
  std::size_t line = 0;
  /// Without any value.
  std::string message;
};

/// Blank lines and lines that begin with # are passed over, and so is `export` before a name. A value goes to
/// the end of its line, without blanks around it; within '...' it is as it stands, within "..." \n, \r, \t,
/// \", \$ and \\ stand for what they do in a shell's $'...'. A name alone takes its value from `environment`;
/// that it has none there is a fault, as is a name that comes twice.
std::expected<std::vector<std::pair<std::string, std::string>>, EnvFileFault> parse_env_file(
    std::string_view text,
    const std::function<std::optional<std::string>(const std::string& name)>& environment);

}  // namespace weft::model
