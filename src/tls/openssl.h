// OpenSSL's objects with owners, and its errors in words. For this room alone.
#pragma once

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace weft::tls {

template <auto free>
struct Free {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};

using Ssl = std::unique_ptr<SSL, Free<SSL_free>>;
using SslContext = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using SslSession = std::unique_ptr<SSL_SESSION, Free<SSL_SESSION_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Store = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;
using Digest = std::unique_ptr<EVP_MD, Free<EVP_MD_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;

/// The words of the first error that OpenSSL has kept, "wrong version number"; forgets all of them.
std::string take_error();

}  // namespace weft::tls
