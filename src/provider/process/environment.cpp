#include "provider/process/environment.h"

#include <fmt/format.h>

#include <cstdlib>
#include <initializer_list>
#include <utility>

namespace weft::provider::process {
namespace {

constexpr std::string_view default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string variable_name(std::string_view port_name) {
  std::string name = "PORT_";
  for (char c : port_name) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    name += c == '-' ? '_' : c;
  }
  return name;
}

}  // namespace

Environment inherited_environment() {
  Environment environment{{"PATH", std::string(default_path)}};
  for (const char* name : {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR"}) {
    if (const char* value = std::getenv(name)) environment[name] = value;
  }
  return environment;
}

Result<base::Expansion> instance_environment(const Environment& inherited, const Environment& image,
                                             const InstanceSpec& spec, const std::vector<BoundPort>& ports) {
  Environment listening{{"HOST", "127.0.0.1"}};
  for (const auto& bound : ports) {
    auto number = std::to_string(bound.address.port());
    listening.try_emplace("PORT", number);
    if (!bound.port.name.empty()) listening[variable_name(bound.port.name)] = number;
  }
  base::Expansion environment(base::most_process_bytes);
  for (const auto* values : {&inherited, &image, &std::as_const(listening)}) {
    for (const auto& [name, value] : *values) {
      if (auto set = environment.set(name, value); !set)
        return too_large("the variable " + name, set.error());
    }
  }
  for (const auto& [name, text] : spec.environment) {
    if (listening.contains(name)) continue;
    auto defined = environment.define(name, text);
    if (!defined) return too_large("the variable " + name, defined.error());
  }
  return environment;
}

std::unexpected<ProviderError> too_large(const std::string& what, base::ExpansionErrorKind kind) {
  return base::fail(ProviderErrorKind::failed, fmt::format("{} {}", what, base::to_words(kind)));
}

std::vector<std::string> to_strings(const Environment& environment) {
  std::vector<std::string> result;
  result.reserve(environment.size());
  for (const auto& [name, value] : environment) result.push_back(name + "=" + value);
  return result;
}

}  // namespace weft::provider::process
