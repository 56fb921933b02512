#include "cli/pem_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

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
  std::vector<snapshot::TlsFault> faults;
  // False if the file cannot be used.
  const auto look = [&](File sort, const snapshot::PemFile& file) {
    if (!file) return false;
    auto fault = sort == File::key ? library_.check_key(*file.text) : library_.check_certificates(*file.text);
    if (fault && is_new(sort == File::key ? "bad key" : "bad certificate", file.name))
      faults.push_back({sort, fmt::format("{}: {}", file.name, fault->why), std::move(fault->mend)});
    return !fault;
  };
  if (ca && is_new("ca", ca.name) && look(File::ca, ca)) warn_of_authorities(ca);
  if (!certificate || !key || !is_new("pair", fmt::format("{}\n{}", certificate.name, key.name)))
    return faults;
  const bool is_certificate = look(File::certificate, certificate);
  if (is_certificate && is_new("certificate", certificate.name)) warn_of_own(certificate);
  if (!look(File::key, key) || !is_certificate) return faults;
  if (!library_.fits({*certificate.text, *key.text})) {
    faults.push_back(
        {File::key,
         fmt::format("{}: the key is not that of the first certificate in {}", key.name, certificate.name),
         "name the key of that certificate, or put the certificate of the key first"});
  }
  return faults;
}

void PemCheck::warn_of_own(const snapshot::PemFile& file) {
  std::size_t number = 0;
  for (const auto& [begin, end] : library_.validity(*file.text)) {
    const auto which = ++number == 1 ? std::string("the certificate") : fmt::format("certificate {}", number);
    if (end <= now_) {
      warnings_.push_back(
          fmt::format("{}: {} has expired on {}: peers will refuse it", file.name, which, day_of(end)));
    } else if (begin > now_) {
      warnings_.push_back(fmt::format("{}: {} is not valid before {}: peers will refuse it", file.name, which,
                                      day_of(begin)));
    } else if (end - now_ < soon) {
      warnings_.push_back(fmt::format("{}: {} expires on {}", file.name, which, day_of(end)));
    }
  }
}

void PemCheck::warn_of_authorities(const snapshot::PemFile& file) {
  const auto all = library_.validity(*file.text);
  const auto last = std::ranges::max_element(all, {}, &tls::Validity::end);
  const auto* const which = all.size() == 1 ? "its certificate" : "the last of its certificates";
  if (last->end <= now_) {
    warnings_.push_back(fmt::format("{}: {} has expired on {}: no peer will be trusted", file.name, which,
                                    day_of(last->end)));
  } else if (std::ranges::all_of(all, [&](const auto& one) { return one.begin > now_; })) {
    warnings_.push_back(
        fmt::format("{}: no certificate of it is valid yet: no peer will be trusted", file.name));
  } else if (last->end - now_ < soon) {
    warnings_.push_back(fmt::format("{}: {} expires on {}", file.name, which, day_of(last->end)));
  }
}

}  // namespace weft::cli
