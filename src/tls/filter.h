// A library context of OpenSSL that knows only what TLS asks for: with all key types and decoders of the
// default provider each certificate that is parsed is tried with dozens of them.
#pragma once

#include <openssl/provider.h>

#include <memory>

#include "tls/openssl.h"

namespace weft::tls {

/// The context does not free what was loaded into it.
struct FreeLibraryContext {
  OSSL_PROVIDER* provider = nullptr;

  void operator()(OSSL_LIB_CTX* context) const {
    if (provider != nullptr) OSSL_PROVIDER_unload(provider);
    OSSL_LIB_CTX_free(context);
  }
};
using LibraryContext = std::unique_ptr<OSSL_LIB_CTX, FreeLibraryContext>;

/// One for a thread; null if there is no memory for it.
LibraryContext make_library_context(bool is_filtered);

}  // namespace weft::tls
