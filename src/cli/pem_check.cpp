#include "cli/pem_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weft::cli {
namespace {

/// How long before a certificate's end that is said: who renews by hand needs some days.
constexpr auto soon = std::chrono::days(7);

std::string day_of(base::WallTime time) { return base::format_rfc3339(time).substr(0, 10); }

}  // namespace

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
    warn_of_own(certificate.name, examined.own);
  if (!examined.ca.empty()) warn_of_authorities(ca.name, examined.ca);
  return faults;
}

void PemCheck::warn_of_own(const std::string& file, const Times& times) {
  std::size_t number = 0;
  for (const auto& [begin, end] : times) {
    const auto which = ++number == 1 ? std::string("the certificate") : fmt::format("certificate {}", number);
    if (end <= now_) {
      warnings_.push_back(
          fmt::format("{}: {} has expired on {}: peers will refuse it", file, which, day_of(end)));
    } else if (begin > now_) {
      warnings_.push_back(
          fmt::format("{}: {} is not valid before {}: peers will refuse it", file, which, day_of(begin)));
    } else if (end - now_ < soon) {
      warnings_.push_back(fmt::format("{}: {} expires on {}", file, which, day_of(end)));
    }
  }
}

void PemCheck::warn_of_authorities(const std::string& file, const Times& times) {
  const auto last = std::ranges::max_element(times, {}, &tls::Validity::end);
  const auto* const which = times.size() == 1 ? "its certificate" : "the last of its certificates";
  if (last->end <= now_) {
    warnings_.push_back(
        fmt::format("{}: {} has expired on {}: no peer will be trusted", file, which, day_of(last->end)));
  } else if (std::ranges::all_of(times, [&](const auto& one) { return one.begin > now_; })) {
    warnings_.push_back(fmt::format("{}: no certificate of it is valid yet: no peer will be trusted", file));
  } else if (last->end - now_ < soon) {
    warnings_.push_back(fmt::format("{}: {} expires on {}", file, which, day_of(last->end)));
  }
}

}  // namespace weft::cli
