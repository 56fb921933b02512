#include "control/reconcile/config.h"

#include <fmt/format.h>

#include "base/base64.h"
#include "base/printable.h"

namespace weft::control::reconcile {

void Config::add(const char* map, bool is_base64, std::map<std::string, std::string>& to) const {
  const auto values = object_->find(map);
  if (values == object_->end() || !values->is_object()) return;
  for (const auto& [key, value] : values->items()) {
    const auto text = value.is_string() ? value.get<std::string>() : std::string();
    to[key] = is_base64 ? base::decode_base64(text).value_or("") : text;
  }
}

bool Config::is_secret() const { return key_.kind == model::Secret::kind; }

std::map<std::string, std::string> Config::texts() const {
  std::map<std::string, std::string> texts;
  add("data", is_secret(), texts);
  return texts;
}

std::map<std::string, std::string> Config::files() const {
  auto files = texts();
  if (!is_secret()) add("binaryData", true, files);
  return files;
}

std::string Config::to_string() const { return fmt::format("{} {}/{}", key_.kind, key_.ns, key_.name); }

provider::ProviderError Config::no_key(std::string_view key) const {
  return {provider::ProviderErrorKind::wrong_config, fmt::format("{} has no key {}", to_string(), key)};
}

provider::Result<Config> find_config(const World& world, bool is_secret, const std::string& ns,
                                     const std::string& name) {
  const store::Key key{std::string(is_secret ? model::Secret::kind : model::ConfigMap::kind), ns, name};
  if (auto object = world.find_object(key)) return Config(key, std::move(object));
  return base::fail(provider::ProviderErrorKind::wrong_config,
                    fmt::format("{} {}/{} does not exist", key.kind, ns, name));
}

bool is_config(std::string_view kind) {
  return kind == model::ConfigMap::kind || kind == model::Secret::kind;
}

bool is_text(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const auto length = base::sequence_length(bytes, at);
    if (length == 0 || bytes[at] == '\0') return false;
    at += length;
  }
  return true;
}

}  // namespace weft::control::reconcile
