// What an instance finds in its environment.
#pragma once

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

/// The few variables of this process that an instance gets too: PATH (with a default), HOME, USER, LOGNAME,
/// SHELL, LANG, LC_ALL, TZ, TMPDIR.
Environment inherited_environment();

/// Later ones win: the inherited variables, the image's, the spec's, then those that tell where to listen:
/// HOST (127.0.0.1), PORT (the first port), PORT_<NAME> (upper case, - becomes _). $(NAME) in the spec's
/// values is expanded. The arguments can be expanded by what comes out. `failed`: a value, or all together,
/// is larger than a process may have.
Result<base::Expansion> instance_environment(const Environment& inherited, const Environment& image,
                                             const InstanceSpec& spec, const std::vector<BoundPort>& ports);

/// The error of a string that a process cannot be started with; `what` names it.
std::unexpected<ProviderError> too_large(const std::string& what, base::ExpansionErrorKind kind);

/// "NAME=value" for exec.
std::vector<std::string> to_strings(const Environment& environment);

}  // namespace weft::provider::process
