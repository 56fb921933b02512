#include "tls/pem.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include <limits>
#include <memory>
#include <optional>
#include <utility>

namespace weft::tls {
namespace {

Bio bio_of(std::string_view text) {
  return Bio(BIO_new_mem_buf(
      text.data(), static_cast<int>(std::min<std::size_t>(text.size(), std::numeric_limits<int>::max()))));
}

/// One block of a PEM text.
struct Block {
  std::string name;
  bool is_encrypted = false;
  std::vector<unsigned char> der;
};

/// The next one; nothing at the end, or behind what cannot be read.
std::optional<Block> next_block(BIO* bio) {
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  ERR_clear_error();
  if (PEM_read_bio(bio, &name, &header, &data, &size) != 1) return std::nullopt;
  Block block{name, *header != '\0', {data, data + size}};
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_clear_free(data, static_cast<std::size_t>(size));
  return block;
}

/// Whether the text ended where PEM says that nothing more begins: else a block is broken.
bool has_ended_well() {
  const auto error = ERR_peek_last_error();
  ERR_clear_error();
  return error == 0 || ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

std::unexpected<PemFault> fault(std::string why, std::string mend) {
  return std::unexpected(PemFault{std::move(why), std::move(mend)});
}

const std::string again = "write the file anew, whole";

/// Whether all of `text` is one object of DER's, which `read` reads as d2i does.
template <class Object, auto read>
bool is_der(std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  const Object object(read(nullptr, &at, static_cast<long>(text.size())));
  ERR_clear_error();
  return object && at == end;
}

using Pkcs12 = std::unique_ptr<PKCS12, Free<PKCS12_free>>;

/// Why a text without a block of the kind that is wanted has none, if it is another format's.
std::optional<PemFault> other_format(std::string_view text, std::string_view pkcs12_words) {
  if (is_der<Pkcs12, d2i_PKCS12>(text))
    return PemFault{"it is PKCS #12, not PEM",
                    fmt::format("convert it: openssl pkcs12 -in FILE {} -out PEM-FILE", pkcs12_words)};
  if (is_der<Certificate, d2i_X509>(text))
    return PemFault{"it is a certificate in DER, not PEM",
                    "convert it: openssl x509 -inform DER -in FILE -out PEM-FILE"};
  if (is_der<Key, d2i_AutoPrivateKey>(text))
    return PemFault{"it is a key in DER, not PEM",
                    "convert it: openssl pkey -inform DER -in FILE -out PEM-FILE"};
  return std::nullopt;
}

}  // namespace

std::expected<std::vector<Certificate>, PemFault> read_certificates(OSSL_LIB_CTX* library,
                                                                    std::string_view pem) {
  const auto bio = bio_of(pem);
  std::vector<Certificate> certificates;
  while (const auto block = next_block(bio.get())) {
    if (block->name != PEM_STRING_X509 && block->name != PEM_STRING_X509_OLD) continue;
    Certificate certificate(X509_new_ex(library, nullptr));
    auto* object = certificate.get();
    const auto* at = block->der.data();
    if (object == nullptr || d2i_X509(&object, &at, static_cast<long>(block->der.size())) == nullptr) {
      (void)certificate.release();  // d2i has freed it
      return fault(
          fmt::format("certificate {} of it cannot be read: {}", certificates.size() + 1, take_error()),
          again);
    }
    certificates.push_back(std::move(certificate));
  }
  if (!has_ended_well()) return fault("a PEM block in it is broken", again);
  if (!certificates.empty()) return certificates;
  if (auto other = other_format(pem, "-nokeys")) return std::unexpected(std::move(*other));
  return fault("it has no certificate (BEGIN CERTIFICATE)", "name a file of certificates in PEM");
}

std::expected<Key, PemFault> read_key(OSSL_LIB_CTX* library, std::string_view pem) {
  const auto bio = bio_of(pem);
  while (auto block = next_block(bio.get())) {
    if (!block->name.ends_with("PRIVATE KEY")) continue;
    if (block->is_encrypted || block->name.starts_with("ENCRYPTED"))
      return fault("it is encrypted", "take its passphrase away: openssl pkey -in FILE -out PLAIN-FILE");
    const auto* at = block->der.data();
    Key key(d2i_AutoPrivateKey_ex(nullptr, &at, static_cast<long>(block->der.size()), library, nullptr));
    OPENSSL_cleanse(block->der.data(), block->der.size());
    if (!key) return fault("its key cannot be read: " + take_error(), again);
    return key;
  }
  if (!has_ended_well()) return fault("a PEM block in it is broken", again);
  if (auto other = other_format(pem, "-nocerts -noenc")) return std::unexpected(std::move(*other));
  return fault("it has no private key (BEGIN PRIVATE KEY)", "name a file of a key in PEM");
}

}  // namespace weft::tls
