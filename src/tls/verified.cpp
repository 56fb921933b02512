#include "tls/verified.h"

#include <openssl/asn1.h>

#include <algorithm>
#include <chrono>
#include <ctime>

namespace weft::tls {

std::optional<base::WallTime> VerifiedChains::find(const Name& name, base::WallTime now) {
  const auto at = by_name_.find(name);
  if (at == by_name_.end()) return std::nullopt;
  if (now >= at->second.good_until) {
    uses_.erase(at->second.use);
    by_name_.erase(at);
    return std::nullopt;
  }
  uses_.splice(uses_.begin(), uses_, at->second.use);
  return at->second.good_until;
}

void VerifiedChains::add(const Name& name, base::WallTime good_until) {
  const auto [at, is_new] = by_name_.try_emplace(name);
  at->second.good_until = good_until;
  if (!is_new) return;
  uses_.push_front(name);
  at->second.use = uses_.begin();
  if (by_name_.size() <= max_verified_chains) return;
  by_name_.erase(uses_.back());
  uses_.pop_back();
}

base::WallTime end_of_validity(const STACK_OF(X509) * chain) {
  auto end = base::WallTime::max();
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    std::tm fields{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(sk_X509_value(chain, i)), &fields) != 1) return {};
    // What lies beyond the clock's range never ends.
    const auto seconds = std::min<std::time_t>(
        ::timegm(&fields),
        std::chrono::duration_cast<std::chrono::seconds>(base::WallTime::max().time_since_epoch()).count());
    end = std::min(end, base::WallTime(std::chrono::seconds(seconds)));
  }
  return end;
}

}  // namespace weft::tls
