#include "tls/testing_certificates_test.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <utility>

namespace weft::tls::testing {
namespace {

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

void add(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  auto* const extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Key same(EVP_PKEY* key) {
  EVP_PKEY_up_ref(key);
  return Key(key);
}

}  // namespace

Holder::Holder(const Wanted& wanted, const Holder* issuer)
    : Holder(wanted, issuer, Key(wanted.rsa_bits > 0 ? EVP_RSA_gen(wanted.rsa_bits) : EVP_EC_gen("P-256"))) {}

Holder::Holder(const Wanted& wanted, const Holder* issuer, const Holder& before)
    : Holder(wanted, issuer, same(before.key_.get())) {}

Holder::Holder(const Wanted& wanted, const Holder* issuer, Key key)
    : key_(std::move(key)), certificate_(X509_new()) {
  static std::atomic<long> serial = 1;
  auto* const own = certificate_.get();
  X509_set_version(own, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(own), serial++);
  const auto begin = base::ManualClock().wall();
  const auto at = [&](base::Duration from_begin) {
    return std::chrono::system_clock::to_time_t(
        std::chrono::time_point_cast<std::chrono::system_clock::duration>(begin + from_begin));
  };
  ASN1_TIME_set(X509_getm_notBefore(own), at(wanted.begins));
  ASN1_TIME_set(X509_getm_notAfter(own), at(wanted.ends));
  X509_set_pubkey(own, key_.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(own), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(wanted.name.c_str()), -1, -1, 0);
  auto* const by = issuer == nullptr ? own : issuer->certificate_.get();
  X509_set_issuer_name(own, X509_get_subject_name(by));
  add(own, by, NID_basic_constraints, wanted.is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (wanted.has_alt_name) add(own, by, NID_subject_alt_name, "DNS:" + wanted.name + ",IP:127.0.0.1");
  X509_sign(own, issuer == nullptr ? key_.get() : issuer->key_.get(), EVP_sha256());
}

KeyPair Holder::pair(const std::string& with) const {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return {certificate() + with, text_of(bio.get())};
}

std::string Holder::certificate() const {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate_.get());
  return text_of(bio.get());
}

}  // namespace weft::tls::testing
