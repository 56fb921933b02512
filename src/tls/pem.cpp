#include "tls/pem.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <limits>

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

}  // namespace

Result<std::vector<Certificate>> read_certificates(OSSL_LIB_CTX* library, std::string_view pem) {
  const auto bio = bio_of(pem);
  std::vector<Certificate> certificates;
  while (const auto block = next_block(bio.get())) {
    if (block->name != PEM_STRING_X509 && block->name != PEM_STRING_X509_OLD) continue;
    Certificate certificate(X509_new_ex(library, nullptr));
    auto* object = certificate.get();
    const auto* at = block->der.data();
    if (object == nullptr || d2i_X509(&object, &at, static_cast<long>(block->der.size())) == nullptr) {
      (void)certificate.release();  // d2i has freed it
      return base::fail(FaultKind::settings, fmt::format("certificate {} of it cannot be read: {}",
                                                         certificates.size() + 1, take_error()));
    }
    certificates.push_back(std::move(certificate));
  }
  if (!has_ended_well()) return base::fail(FaultKind::settings, "a PEM block in it is broken");
  if (certificates.empty())
    return base::fail(FaultKind::settings, "it has no certificate (BEGIN CERTIFICATE)");
  return certificates;
}

Result<Key> read_key(OSSL_LIB_CTX* library, std::string_view pem) {
  const auto bio = bio_of(pem);
  while (auto block = next_block(bio.get())) {
    if (!block->name.ends_with("PRIVATE KEY")) continue;
    if (block->is_encrypted || block->name.starts_with("ENCRYPTED"))
      return base::fail(FaultKind::settings, "its key is encrypted: give it without a passphrase");
    const auto* at = block->der.data();
    Key key(d2i_AutoPrivateKey_ex(nullptr, &at, static_cast<long>(block->der.size()), library, nullptr));
    OPENSSL_cleanse(block->der.data(), block->der.size());
    if (!key) return base::fail(FaultKind::settings, "its key cannot be read: " + take_error());
    return key;
  }
  if (!has_ended_well()) return base::fail(FaultKind::settings, "a PEM block in it is broken");
  return base::fail(FaultKind::settings, "it has no private key (BEGIN PRIVATE KEY)");
}

}  // namespace weft::tls
