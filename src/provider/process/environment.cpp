#include "provider/process/environment.h"

#include <cstdlib>
#include <initializer_list>

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

Environment instance_environment(const Environment& inherited, const Environment& image,
                                 const Environment& spec, const std::vector<BoundPort>& ports) {
  auto environment = inherited;
  for (const auto& [name, value] : image) environment[name] = value;
  Environment listening{{"HOST", "127.0.0.1"}};
  for (const auto& bound : ports) {
    auto number = std::to_string(bound.address.port());
    listening.try_emplace("PORT", number);
    if (!bound.port.name.empty()) listening[variable_name(bound.port.name)] = number;
  }
  for (const auto& [name, value] : listening) environment[name] = value;
  // Against what stands by now, and in the order of names: a value may use those before it.
  for (const auto& [name, value] : spec) {
    if (!listening.contains(name)) environment[name] = expand(value, environment);
  }
  return environment;
}

std::string expand(std::string_view text, const Environment& environment) {
  std::string result;
  while (!text.empty()) {
    auto dollar = std::min(text.find('$'), text.size());
    result += text.substr(0, dollar);
    text.remove_prefix(dollar);
    if (text.starts_with("$$")) {
      result += '$';
      text.remove_prefix(2);
      continue;
    }
    auto end = text.starts_with("$(") ? text.find(')') : std::string_view::npos;
    auto found = end == std::string_view::npos ? environment.end()
                                               : environment.find(std::string(text.substr(2, end - 2)));
    if (found != environment.end()) {
      result += found->second;
      text.remove_prefix(end + 1);
    } else if (!text.empty()) {
      result += '$';
      text.remove_prefix(1);
    }
  }
  return result;
}

std::vector<std::string> to_strings(const Environment& environment) {
  std::vector<std::string> result;
  result.reserve(environment.size());
  for (const auto& [name, value] : environment) result.push_back(name + "=" + value);
  return result;
}

}  // namespace weft::provider::process
