// What an instance finds in its environment.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/expansion.h"
#include "provider/provider.h"

namespace weft::provider::process {

using Environment = std::map<std::string, std::string>;

/// The variable that marks every process of a home: "<identity of the home>/<instance id>". By it a successor
/// finds what a killed supervisor left behind.
inline constexpr std::string_view marker_variable = "WEFT_INSTANCE";

/// What an instance is told of one of its ports.
struct ToldPort {
  /// The first of the variables that say it: "PORT", "PORT_ADMIN"; empty if none does.
  std::string variable;
  std::uint16_t number = 0;
  /// The number that one of them says by the spec's own word; 0 if none does.
  std::uint16_t own = 0;
};

/// The few variables of this process that an instance gets too: PATH (with a default), HOME, USER, LOGNAME,
/// SHELL, LANG, LC_ALL, TZ, TMPDIR.
Environment inherited_environment();

/// Later ones win: the inherited variables, the image's, those that tell where to listen (HOST, 127.0.0.1;
/// PORT, the first port; PORT_<NAME>, upper case, - becomes _), the spec's. $(NAME) in the spec's values is
/// expanded. The arguments can be expanded by what comes out. `failed`: a value, or all together,
/// is larger than a process may have.
Result<base::Expansion> instance_environment(const Environment& inherited, const Environment& image,
                                             const InstanceSpec& spec, const std::vector<BoundPort>& ports);

/// What the environment that came out says of each of the ports.
std::vector<ToldPort> told_ports(const Environment& environment, const std::vector<BoundPort>& ports);

/// The error of a string that a process cannot be started with; `what` names it.
std::unexpected<ProviderError> too_large(const std::string& what, base::ExpansionErrorKind kind);

/// "NAME=value" for exec.
std::vector<std::string> to_strings(const Environment& environment);

}  // namespace weft::provider::process
