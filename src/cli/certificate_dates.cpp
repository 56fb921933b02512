#include "cli/certificate_dates.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>

namespace weft::cli {
namespace {

using Times = CertificateDates::Times;

/// How long before a certificate's end that is said: who renews by hand needs some days.
constexpr auto soon = std::chrono::days(7);
/// A line a day is seen in a log that is looked at, and does not fill one that is not.
constexpr base::Duration remind_interval = std::chrono::days(1);

std::string day_of(base::WallTime time) { return base::format_rfc3339(time).substr(0, 10); }

void warn_of_own(std::vector<std::string>& warnings, const std::string& file, const Times& times,
                 base::WallTime now) {
  std::size_t number = 0;
  for (const auto& [begin, end] : times) {
    const auto which = ++number == 1 ? std::string("the certificate") : fmt::format("certificate {}", number);
    if (end <= now) {
      warnings.push_back(
          fmt::format("{}: {} has expired on {}: peers will refuse it", file, which, day_of(end)));
    } else if (begin > now) {
      warnings.push_back(
          fmt::format("{}: {} is not valid before {}: peers will refuse it", file, which, day_of(begin)));
    } else if (end - now < soon) {
      warnings.push_back(fmt::format("{}: {} expires on {}", file, which, day_of(end)));
    }
  }
}

void warn_of_authorities(std::vector<std::string>& warnings, const std::string& file, const Times& times,
                         base::WallTime now) {
  const auto last = std::ranges::max_element(times, {}, &tls::Validity::end);
  const auto* const which = times.size() == 1 ? "its certificate" : "the last of its certificates";
  if (last->end <= now) {
    warnings.push_back(
        fmt::format("{}: {} has expired on {}: no peer will be trusted", file, which, day_of(last->end)));
  } else if (std::ranges::all_of(times, [&](const auto& one) { return one.begin > now; })) {
    warnings.push_back(fmt::format("{}: no certificate of it is valid yet: no peer will be trusted", file));
  } else if (last->end - now < soon) {
    warnings.push_back(fmt::format("{}: {} expires on {}", file, which, day_of(last->end)));
  }
}

}  // namespace

base::WallTime CertificateDates::File::end() const {
  const auto [first, last] = std::ranges::minmax(times, {}, &tls::Validity::end);
  return is_of_authorities ? last.end : first.end;
}

std::vector<std::string> CertificateDates::warnings(base::WallTime now) const {
  std::vector<std::string> warnings;
  for (const auto& file : files_)
    (file.is_of_authorities ? warn_of_authorities : warn_of_own)(warnings, file.name, file.times, now);
  return warnings;
}

base::WallTime CertificateDates::due_after(base::WallTime said) const {
  auto due = said + remind_interval;
  for (const auto& file : files_) {
    if (const auto end = file.end(); end > said) due = std::min(due, end);
  }
  return due;
}

void CertificateDates::add_to(telemetry::Samples& samples) const {
  std::map<std::string, base::WallTime> ends;
  for (const auto& file : files_) {
    const auto [known, is_new] = ends.try_emplace(file.name, file.end());
    if (!is_new) known->second = std::min(known->second, file.end());  // shown, and trusted
  }
  for (const auto& [file, end] : ends) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(end.time_since_epoch()).count();
    samples.add("weft_tls_certificate_expiry_timestamp_seconds",
                "Until when a file of certificates is of use, in seconds since 1970.", telemetry::Kind::gauge,
                {{"file", file}}, static_cast<std::uint64_t>(std::max<std::int64_t>(seconds, 0)));
  }
}

}  // namespace weft::cli
