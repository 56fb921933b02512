#include "tls/bundle.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <new>

namespace weft::tls {
namespace {

Sha256 identity_of(const EVP_MD* sha256, X509* certificate) {
  if (X509_check_ca(certificate) == 0) return sha256_of(sha256, {der_of(i2d_X509, certificate)});
  return sha256_of(sha256, {der_of(i2d_X509_NAME, X509_get_subject_name(certificate)),
                            der_of(i2d_X509_PUBKEY, X509_get_X509_PUBKEY(certificate))});
}

}  // namespace

bool Bundle::has_all_of(const Bundle& other) const {
  return this == &other || std::ranges::includes(trusted, other.trusted);
}

std::expected<std::shared_ptr<const Bundle>, PemFault> Bundles::find(OSSL_LIB_CTX* library,
                                                                     const EVP_MD* sha256,
                                                                     std::string_view text) {
  std::erase_if(by_text_, [](const auto& one) { return one.second.expired(); });
  auto& known = by_text_[sha256_of(sha256, {text})];
  if (auto bundle = known.lock()) return bundle;
  const auto certificates = read_certificates(library, text);
  if (!certificates) return std::unexpected(certificates.error());
  auto bundle = std::make_shared<Bundle>(Store(X509_STORE_new()));
  if (!bundle->store) throw std::bad_alloc();
  for (const auto& certificate : *certificates) {
    X509_STORE_add_cert(bundle->store.get(), certificate.get());
    bundle->trusted.push_back(identity_of(sha256, certificate.get()));
  }
  ERR_clear_error();  // one that is there twice is none the worse
  std::ranges::sort(bundle->trusted);
  bundle->trusted.erase(std::ranges::unique(bundle->trusted).begin(), bundle->trusted.end());
  known = bundle;
  return bundle;
}

}  // namespace weft::tls
