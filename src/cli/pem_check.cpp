#include "cli/pem_check.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weft::cli {

bool PemCheck::is_new(std::string_view what, const std::string& name) {
  return known_.insert(fmt::format("{} {}", what, name)).second;
}

std::vector<snapshot::TlsFault> PemCheck::check(const snapshot::PemFile& certificate,
                                                const snapshot::PemFile& key, const snapshot::PemFile& ca) {
  std::optional<tls::KeyPair> own;
  std::optional<std::string_view> authorities;
  if (certificate && key && is_new("pair", fmt::format("{}\n{}", certificate.name, key.name)))
    own.emplace(*certificate.text, *key.text);
  if (ca && is_new("ca", ca.name)) authorities = *ca.text;
  if (!own && !authorities) return {};
  auto examined = library_.examine(own, authorities);
  std::vector<snapshot::TlsFault> faults;
  const auto blame = [&](File sort, const snapshot::PemFile& file, tls::TextFault& fault) {
    if (is_new(sort == File::key ? "bad key" : "bad certificate", file.name))
      faults.push_back({sort, fmt::format("{}: {}", file.name, fault.why), std::move(fault.mend)});
  };
  for (auto& fault : examined.faults) {
    switch (fault.text) {
      case tls::TextFault::Text::certificate: blame(File::certificate, certificate, fault); break;
      case tls::TextFault::Text::key: blame(File::key, key, fault); break;
      case tls::TextFault::Text::ca: blame(File::ca, ca, fault); break;
      case tls::TextFault::Text::pair:
        faults.push_back({File::key, fmt::format("{}: {} in {}", key.name, fault.why, certificate.name),
                          std::move(fault.mend)});
    }
  }
  if (!examined.own.empty() && is_new("certificate", certificate.name))
    dates_.add_own(certificate.name, std::move(examined.own));
  if (!examined.ca.empty()) dates_.add_authorities(ca.name, std::move(examined.ca));
  return faults;
}

}  // namespace weft::cli
