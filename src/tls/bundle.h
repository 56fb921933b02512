// Bundles of authorities. One of the web's has 140 certificates, which take 1 MB: what is made of a text is
// shared by all contexts that have it, and goes with the last of them.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "tls/openssl.h"
#include "tls/pem.h"

namespace weft::tls {

struct Bundle {
  /// Each of its certificates is trusted by itself.
  Store store;
  /// What tells each whom it makes trusted from all others, by trusts_as_before()'s rule; in order.
  std::vector<Sha256> trusted;

  bool has_all_of(const Bundle& other) const;
};

/// Those of one library context.
class Bundles {
 public:
  std::expected<std::shared_ptr<const Bundle>, PemFault> find(OSSL_LIB_CTX* library, const EVP_MD* sha256,
                                                              std::string_view text);

 private:
  std::map<Sha256, std::weak_ptr<const Bundle>> by_text_;
};

}  // namespace weft::tls
