#include "provider/provider.h"

#include <charconv>

namespace weft::provider {

std::string_view to_string(ProviderErrorKind kind) {
  switch (kind) {
    case ProviderErrorKind::image_not_found: return "image_not_found";
    case ProviderErrorKind::image_not_executable: return "image_not_executable";
    case ProviderErrorKind::no_free_port: return "no_free_port";
    case ProviderErrorKind::port_in_use: return "port_in_use";
    case ProviderErrorKind::wrong_config: return "wrong_config";
    case ProviderErrorKind::not_found: return "not_found";
    case ProviderErrorKind::already_exists: return "already_exists";
    case ProviderErrorKind::unavailable: return "unavailable";
    case ProviderErrorKind::timed_out: return "timed_out";
    case ProviderErrorKind::not_seen: return "not_seen";
    case ProviderErrorKind::failed: return "failed";
  }
  return {};
}

std::uint16_t wanted_port(std::string_view key) {
  const auto at = key.rfind('@');
  std::uint16_t port = 0;
  if (at != std::string_view::npos) std::from_chars(key.data() + at + 1, key.data() + key.size(), port);
  return port;
}

}  // namespace weft::provider
