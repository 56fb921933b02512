#include "tls/verified.h"

#include <openssl/asn1.h>

#include <algorithm>
#include <chrono>
#include <ctime>

namespace weft::tls {

base::WallTime wall_time(const ASN1_TIME* time) {
  std::tm fields{};
  if (ASN1_TIME_to_tm(time, &fields) != 1) return {};
  // What lies beyond the clock's range never comes, or lies behind all.
  const auto seconds = [](base::WallTime at) {
    return std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch()).count();
  };
  return base::WallTime(std::chrono::seconds(std::clamp<std::time_t>(
      ::timegm(&fields), seconds(base::WallTime::min()), seconds(base::WallTime::max()))));
}

base::WallTime end_of_validity(const STACK_OF(X509) * chain) {
  auto end = base::WallTime::max();
  for (int i = 0; i < sk_X509_num(chain); ++i)
    end = std::min(end, wall_time(X509_get0_notAfter(sk_X509_value(chain, i))));
  return end;
}

}  // namespace weft::tls
