// ConfigMaps and Secrets as instances read them.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "control/reconcile/world.h"
#include "provider/provider.h"

namespace weft::control::reconcile {

/// One that exists. It refers to the World's object.
class Config {
 public:
  Config(store::Key key, store::Object object) : key_(std::move(key)), object_(std::move(object)) {}

  /// What may become a variable: a ConfigMap's `data`, all of a Secret.
  std::map<std::string, std::string> texts() const;
  /// All of it, with `binaryData`.
  std::map<std::string, std::string> files() const;
  /// "Secret default/db".
  std::string to_string() const;
  /// That it has no such key.
  provider::ProviderError no_key(std::string_view key) const;

 private:
  void add(const char* map, bool is_base64, std::map<std::string, std::string>& to) const;
  bool is_secret() const;

  store::Key key_;
  store::Object object_;
};

/// `wrong_config`: there is none.
provider::Result<Config> find_config(const World& world, bool is_secret, const std::string& ns,
                                     const std::string& name);

/// Whether a kind's objects are what Configs are made of.
bool is_config(std::string_view kind);

/// UTF-8 without NUL: what an environment can hold, and be passed on as.
bool is_text(std::string_view bytes);

}  // namespace weft::control::reconcile
