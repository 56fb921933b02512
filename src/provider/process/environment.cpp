#include "provider/process/environment.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <initializer_list>
#include <utility>

namespace weft::provider::process {
namespace {

constexpr std::string_view default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables that say where to listen for the port `index`.
std::vector<std::string> variables_of(const std::vector<BoundPort>& ports, std::size_t index) {
  std::vector<std::string> names;
  if (index == 0) names.emplace_back("PORT");
  const auto& port_name = ports[index].port.name;
  if (port_name.empty()) return names;
  auto& name = names.emplace_back("PORT_");
  for (char c : port_name) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    name += c == '-' ? '_' : c;
  }
  return names;
}

/// A port's number, 0 if the text is none.
std::uint16_t port_number(std::string_view text) {
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() ? number : 0;
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
  for (std::size_t i = 0; i < ports.size(); ++i) {
    for (auto& name : variables_of(ports, i))
      listening[std::move(name)] = std::to_string(ports[i].address.port());
  }
  base::Expansion environment(base::most_process_bytes);
  for (const auto* values : {&inherited, &image, &std::as_const(listening)}) {
    for (const auto& [name, value] : *values) {
      if (auto set = environment.set(name, value); !set)
        return too_large("the variable " + name, set.error());
    }
  }
  for (const auto& [name, text] : spec.environment) {
    auto defined = environment.define(name, text);
    if (!defined) return too_large("the variable " + name, defined.error());
  }
  return environment;
}

std::vector<ToldPort> told_ports(const Environment& environment, const std::vector<BoundPort>& ports) {
  std::vector<ToldPort> told;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    auto& port = told.emplace_back(std::string(), ports[i].address.port());
    for (const auto& name : variables_of(ports, i)) {
      if (port.variable.empty()) port.variable = name;
      const auto at = environment.find(name);
      const auto number = at == environment.end() ? std::uint16_t{0} : port_number(at->second);
      if (number != 0 && number != port.number && port.own == 0) {
        port.own = number;
        port.variable = name;
      }
    }
  }
  return told;
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
