// PEM texts (RFC 7468) to certificates and keys of one library context.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "tls/openssl.h"

namespace weft::tls {

/// Why a text is none of these, as "it is ...", and what to do.
struct PemFault {
  std::string why;
  std::string mend;
};

/// All certificates of the text, at least one. Other blocks, and words around them, are passed over.
std::expected<std::vector<Certificate>, PemFault> read_certificates(OSSL_LIB_CTX* library,
                                                                    std::string_view pem);
/// The first private key of the text (PKCS #8, or EC's and RSA's own form); an encrypted one is refused.
std::expected<Key, PemFault> read_key(OSSL_LIB_CTX* library, std::string_view pem);

}  // namespace weft::tls
