// What connections of one side have in common: OpenSSL's context, made once for many of them.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "tls/bundle.h"
#include "tls/filter.h"
#include "tls/openssl.h"
#include "tls/sessions.h"
#include "tls/tls.h"
#include "tls/verified.h"

namespace weft::tls {

/// One thread's OpenSSL.
struct Library::State {
  State(std::shared_ptr<SessionStore> store, Measures with, base::Clock& on);

  const Measures measures;
  base::Clock& clock;
  const std::shared_ptr<SessionStore> sessions;
  const LibraryContext openssl;
  Digest sha256;
  Bundles bundles;
  VerifiedChains verified{max_verified_chains};
  Counters counters;

  base::WallTime now() const { return clock.wall(); }
};

/// What both sides' contexts have. It outlives the Library that made it as long as connections do.
class Context {
 public:
  Context(std::shared_ptr<Library::State> library, const SSL_METHOD* method);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  using Faults = std::vector<TextFault>;
  void show(const KeyPair& own, Faults& faults);
  /// Those of the text are trusted, each by itself.
  void trust(std::string_view ca, Faults& faults);

  SSL_CTX* openssl() const { return openssl_.get(); }
  Library::State& library() const { return *library_; }
  /// No two of the process have the same.
  std::uint64_t number() const { return number_; }
  /// Null: nobody is asked for a certificate.
  const std::shared_ptr<const Bundle>& trusted() const { return trusted_; }
  std::vector<Validity> validity_of_shown() const;
  std::vector<Validity> validity_of_trusted() const;

 private:
  static int verify(X509_STORE_CTX* store, void* self);
  /// The name that the chain's verification is remembered by.
  std::optional<ChainName> name_of(X509_STORE_CTX* store) const;

  std::shared_ptr<Library::State> library_;
  std::shared_ptr<const Bundle> trusted_;
  SslContext openssl_;
  const std::uint64_t number_;
};

class ServerContext final : public Context {
 public:
  explicit ServerContext(std::shared_ptr<Library::State> library);
  /// Why that cannot be, in words.
  std::expected<void, std::string> set(const ServerSettings& settings);

 private:
  void keep_sessions(const ServerSettings& settings);
  static int choose_protocol(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                             const unsigned char* offered, unsigned int offered_size, void* self);
  std::string protocols_;  // as ALPN has them on the wire
  bool takes_others_ = false;
};

class ClientContext final : public Context {
 public:
  explicit ClientContext(std::shared_ptr<Library::State> library);
  std::expected<void, std::string> set(const ClientSettings& settings);
  /// Whom certificates must be for.
  const std::string& name() const { return name_; }
  /// What is sent as SNI; empty for an address.
  std::string server_name() const { return is_host_ ? name_ : std::string(); }

 private:
  std::string name_;
  bool is_host_ = false;
};

/// ALPN's list of names (RFC 7301, 3.1): each with its length before it. Names of no or over 255 bytes are
/// left out.
std::string protocol_list(const std::vector<std::string>& protocols);

}  // namespace weft::tls
