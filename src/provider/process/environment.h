// What an instance finds in its environment, and $(NAME) in its command line.
#pragma once

#include <map>
#include <string>
#include <vector>

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
/// values is expanded.
Environment instance_environment(const Environment& inherited, const Environment& image,
                                 const Environment& spec, const std::vector<BoundPort>& ports);

/// Replaces $(NAME) by its value and $$ by $, as Kubernetes does; what is not set stays as it is.
/// https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
std::string expand(std::string_view text, const Environment& environment);

/// "NAME=value" for exec.
std::vector<std::string> to_strings(const Environment& environment);

}  // namespace weft::provider::process
