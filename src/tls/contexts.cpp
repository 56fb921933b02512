#include "tls/contexts.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <array>
#include <atomic>
#include <cstring>
#include <ctime>
#include <new>
#include <utility>

#include "base/address.h"
#include "tls/connection.h"
#include "tls/pem.h"

namespace weft::tls {
namespace {

constexpr const char* suites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
/// Of TLS 1.2: with a key exchange of their own for each connection, and with authenticated encryption.
constexpr const char* ciphers_of_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20";
/// Without post-quantum ones, which cost 50 us and 7 KB of each connection.
constexpr const char* groups = "X25519:P-256";

/// What a peer may show: chains of the largest RSA keys have some 10 KB. A session keeps it.
constexpr long max_chain_bytes = 32 * 1024;

void begin_openssl() {
  // No user's openssl.cnf decides here, and nothing is torn down while threads still run.
  [[maybe_unused]] static const int once =
      OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
}

std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last = 0;
  return ++last;
}

/// The words of the first.
std::expected<void, std::string> first_of(const Context::Faults& faults) {
  if (faults.empty()) return {};
  using Text = TextFault::Text;
  switch (const auto& first = faults.front(); first.text) {
    case Text::certificate: return std::unexpected("the certificate: " + first.why);
    case Text::key: return std::unexpected("the key: " + first.why);
    case Text::pair: return std::unexpected(first.why);
    case Text::ca: return std::unexpected("the CA: " + first.why);
  }
  return {};
}

Validity validity_of(const X509* certificate) {
  return {wall_time(X509_get0_notBefore(certificate)), wall_time(X509_get0_notAfter(certificate))};
}

int session_is_new(SSL* ssl, SSL_SESSION* session) {
  auto& context = *static_cast<Context*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  auto& library = context.library();
  auto& connection = connection_of(ssl);
  Resumable held{SslSession(session), library.now() + session_life, connection.peer_good_until()};
  if (SSL_is_server(ssl) == 0) {
    if (const auto& resumption = connection.resumption()) resumption->put(context.number(), std::move(held));
    return 1;
  }
  unsigned int size = 0;
  const auto* name = SSL_SESSION_get_id(session, &size);
  library.sessions->add({reinterpret_cast<const char*>(name), size}, std::move(held));
  return 1;
}

SSL_SESSION* find_session(SSL* ssl, const unsigned char* name, int size, int* copies) {
  *copies = 0;  // it is held already
  auto& library = static_cast<Context*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->library();
  auto found = library.sessions->find({reinterpret_cast<const char*>(name), static_cast<std::size_t>(size)},
                                      library.now());
  connection_of(ssl).set_peer_good_until(found.peer_good_until);
  return found.session.release();
}

void session_is_bad(SSL_CTX* openssl, SSL_SESSION* session) {
  unsigned int size = 0;
  const auto* name = SSL_SESSION_get_id(session, &size);
  auto& library = static_cast<Context*>(SSL_CTX_get_app_data(openssl))->library();
  library.sessions->remove({reinterpret_cast<const char*>(name), size});
}

}  // namespace

std::string take_error() {
  const auto error = ERR_get_error();
  ERR_clear_error();
  const auto* const reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason
         : error != 0      ? fmt::format("OpenSSL error {:#x}", error)
                           : "unknown error";
}

Sha256 sha256_of(const EVP_MD* sha256, std::initializer_list<std::string_view> texts) {
  Sha256 digest{};
  const DigestContext context(EVP_MD_CTX_new());
  EVP_DigestInit_ex2(context.get(), sha256, nullptr);
  for (const auto text : texts) {
    const auto size = text.size();
    EVP_DigestUpdate(context.get(), &size, sizeof size);
    EVP_DigestUpdate(context.get(), text.data(), size);
  }
  EVP_DigestFinal_ex(context.get(), digest.data(), nullptr);
  return digest;
}

std::string protocol_list(const std::vector<std::string>& protocols) {
  std::string list;
  for (const auto& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255) continue;
    list += static_cast<char>(protocol.size());
    list += protocol;
  }
  return list;
}

Library::State::State(std::shared_ptr<SessionStore> store, Measures with, base::Clock& on)
    : measures(with),
      clock(on),
      sessions(std::move(store)),
      openssl(make_library_context(with.has_filtered_library)),
      sha256(EVP_MD_fetch(openssl.get(), "SHA2-256", nullptr)) {
  if (!openssl || !sha256) throw std::bad_alloc();
}

Context::Context(std::shared_ptr<Library::State> library, const SSL_METHOD* method)
    : library_(std::move(library)),
      openssl_(SSL_CTX_new_ex(library_->openssl.get(), nullptr, method)),
      number_(next_number()) {
  if (!openssl_) throw std::bad_alloc();
  auto* const context = openssl_.get();
  const auto& measures = library_->measures;
  SSL_CTX_set_app_data(context, this);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_ciphersuites(context, suites);
  SSL_CTX_set_cipher_list(context, ciphers_of_1_2);
  if (measures.pins_groups) SSL_CTX_set1_groups_list(context, groups);
  long mode = SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER;
  if (measures.sends_chain_as_is) mode |= SSL_MODE_NO_AUTO_CHAIN;
  if (measures.releases_buffers) mode |= SSL_MODE_RELEASE_BUFFERS;
  SSL_CTX_set_mode(context, mode);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(context, max_chain_bytes);
  SSL_CTX_set_cert_verify_callback(context, verify, this);
}

void Context::show(const KeyPair& own, Faults& faults) {
  using Text = TextFault::Text;
  const auto blame = [&](Text text, PemFault fault) {
    faults.push_back({text, std::move(fault.why), std::move(fault.mend)});
  };
  auto certificates = read_certificates(library_->openssl.get(), own.certificate);
  if (!certificates) blame(Text::certificate, std::move(certificates.error()));
  auto key = read_key(library_->openssl.get(), own.key);
  if (!key) blame(Text::key, std::move(key.error()));
  if (!certificates || !key) return;
  auto* const context = openssl_.get();
  ERR_clear_error();
  for (std::size_t i = 0; i < certificates->size(); ++i) {
    auto* const one = (*certificates)[i].get();
    if ((i == 0 ? SSL_CTX_use_certificate(context, one) : SSL_CTX_add1_chain_cert(context, one)) == 1)
      continue;
    return blame(Text::certificate,
                 {fmt::format("certificate {} of it is not taken: {}", i + 1, take_error()),
                  "have it issued anew, for a key of P-256 or of RSA with 2048 bits"});
  }
  if (SSL_CTX_use_PrivateKey(context, key->get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    ERR_clear_error();
    blame(Text::pair, {"the key is not that of the first certificate",
                       "name the key of that certificate, or put the certificate of the key first"});
  }
}

void Context::trust(std::string_view ca, Faults& faults) {
  auto found = library_->bundles.find(library_->openssl.get(), library_->sha256.get(), ca);
  if (!found) {
    faults.push_back({TextFault::Text::ca, std::move(found.error().why), std::move(found.error().mend)});
    return;
  }
  trusted_ = std::move(*found);
  SSL_CTX_set1_cert_store(openssl_.get(), trusted_->store.get());
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(openssl_.get()), X509_V_FLAG_PARTIAL_CHAIN);
}

std::vector<Validity> Context::validity_of_shown() const {
  std::vector<Validity> all;
  if (const auto* leaf = SSL_CTX_get0_certificate(openssl_.get())) all.push_back(validity_of(leaf));
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(openssl_.get(), &chain);
  for (int i = 0; i < sk_X509_num(chain); ++i) all.push_back(validity_of(sk_X509_value(chain, i)));
  return all;
}

std::vector<Validity> Context::validity_of_trusted() const {
  std::vector<Validity> all;
  if (!trusted_) return all;
  auto* const objects = X509_STORE_get0_objects(trusted_->store.get());
  for (int i = 0; i < sk_X509_OBJECT_num(objects); ++i)
    all.push_back(validity_of(X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i))));
  return all;
}

std::optional<ChainName> Context::name_of(X509_STORE_CTX* store) const {
  const DigestContext digest(EVP_MD_CTX_new());
  EVP_DigestInit_ex2(digest.get(), library_->sha256.get(), nullptr);
  EVP_DigestUpdate(digest.get(), &number_, sizeof number_);
  const auto add = [&](X509* certificate) {
    unsigned char* der = nullptr;
    const int size = i2d_X509(certificate, &der);
    if (size < 0) return false;
    EVP_DigestUpdate(digest.get(), &size, sizeof size);
    EVP_DigestUpdate(digest.get(), der, static_cast<std::size_t>(size));
    OPENSSL_free(der);
    return true;
  };
  // The peer's own stands among those that it has sent, in TLS the first.
  const auto* const sent = X509_STORE_CTX_get0_untrusted(store);
  bool is_whole = add(X509_STORE_CTX_get0_cert(store));
  for (int i = 0; i < sk_X509_num(sent); ++i) is_whole &= add(sk_X509_value(sent, i));
  ChainName name;
  EVP_DigestFinal_ex(digest.get(), name.data(), nullptr);
  return is_whole ? std::optional(name) : std::nullopt;
}

int Context::verify(X509_STORE_CTX* store, void* self) {
  auto& context = *static_cast<Context*>(self);
  auto& library = *context.library_;
  auto* const ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const auto now = library.now();
  const auto name = library.measures.remembers_verified ? context.name_of(store) : std::nullopt;
  if (name) {
    if (const auto* good_until = library.verified.find(*name); good_until != nullptr && now < *good_until) {
      ++library.counters.verified_before;
      connection_of(ssl).set_peer_good_until(*good_until);
      X509_STORE_CTX_set_error(store, X509_V_OK);
      return 1;
    }
  }
  ++library.counters.verified;
  X509_VERIFY_PARAM_set_time(
      X509_STORE_CTX_get0_param(store),
      static_cast<std::time_t>(
          std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count()));
  const int is_good = X509_verify_cert(store);
  if (is_good != 1) return is_good < 0 ? 0 : is_good;
  const auto good_until = end_of_validity(X509_STORE_CTX_get0_chain(store));
  connection_of(ssl).set_peer_good_until(good_until);
  if (name) library.verified.put(*name, good_until);
  return 1;
}

ServerContext::ServerContext(std::shared_ptr<Library::State> library)
    : Context(std::move(library), TLS_server_method()) {}

std::expected<void, std::string> ServerContext::set(const ServerSettings& settings) {
  Faults faults;
  show(settings.own, faults);
  if (settings.client_ca) {
    trust(*settings.client_ca, faults);
    SSL_CTX_set_verify(openssl(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  protocols_ = protocol_list(settings.protocols);
  takes_others_ = settings.takes_others;
  if (!protocols_.empty()) SSL_CTX_set_alpn_select_cb(openssl(), choose_protocol, this);
  keep_sessions(settings);
  return first_of(faults);
}

void ServerContext::keep_sessions(const ServerSettings& settings) {
  auto* const context = openssl();
  // Settings that differ trust others, or show another certificate.
  const auto id =
      sha256_of(library().sha256.get(), {settings.own.certificate, settings.client_ca.value_or("")});
  SSL_CTX_set_session_id_context(context, id.data(), id.size());
  SSL_CTX_set_timeout(context, std::chrono::seconds(session_life).count());
  if (!library().measures.has_stateful_tickets) return;
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, library().sessions ? 1 : 0);
  if (!library().sessions) return;
  SSL_CTX_set_session_cache_mode(
      context, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL | SSL_SESS_CACHE_NO_AUTO_CLEAR);
  SSL_CTX_sess_set_new_cb(context, session_is_new);
  SSL_CTX_sess_set_get_cb(context, find_session);
  SSL_CTX_sess_set_remove_cb(context, session_is_bad);
}

int ServerContext::choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                                   const unsigned char* offered, unsigned int offered_size, void* self) {
  const auto& context = *static_cast<ServerContext*>(self);
  const auto& own = context.protocols_;
  unsigned char* chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(own.data()),
                            static_cast<unsigned int>(own.size()), offered, offered_size);
  *out = chosen;
  if (found == OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_OK;
  return context.takes_others_ ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

ClientContext::ClientContext(std::shared_ptr<Library::State> library)
    : Context(std::move(library), TLS_client_method()) {}

std::expected<void, std::string> ClientContext::set(const ClientSettings& settings) {
  Faults faults;
  trust(settings.ca, faults);
  if (!settings.own.is_empty()) show(settings.own, faults);
  SSL_CTX_set_verify(openssl(), SSL_VERIFY_PEER, nullptr);
  auto* const wanted = SSL_CTX_get0_param(openssl());
  name_ = settings.name;
  is_host_ = X509_VERIFY_PARAM_set1_ip_asc(wanted, name_.c_str()) != 1;
  if (is_host_) {
    ERR_clear_error();
    // What a certificate is for says its subjectAltName alone (RFC 9525, 2).
    X509_VERIFY_PARAM_set_hostflags(
        wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (name_.empty() || name_.contains('\0') ||
        X509_VERIFY_PARAM_set1_host(wanted, name_.data(), name_.size()) != 1)
      return std::unexpected(fmt::format("\"{}\" is no host name", name_));
  }
  SSL_CTX_set_session_cache_mode(openssl(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(openssl(), session_is_new);
  return first_of(faults);
}

Library::Library(std::shared_ptr<SessionStore> sessions, Measures measures, base::Clock& clock) {
  begin_openssl();
  state_ = std::make_shared<State>(std::move(sessions), measures, clock);
}
Library::~Library() = default;

Examined Library::examine(const std::optional<KeyPair>& own, std::optional<std::string_view> ca) const {
  Context context(state_, TLS_method());
  Examined examined;
  if (own) context.show(*own, examined.faults);
  if (ca) context.trust(*ca, examined.faults);
  examined.own = context.validity_of_shown();
  examined.ca = context.validity_of_trusted();
  return examined;
}

const Library::Counters& Library::counters() const { return state_->counters; }

std::expected<std::shared_ptr<ServerContext>, std::string> Library::server(const ServerSettings& settings) {
  auto context = std::make_shared<ServerContext>(state_);
  if (auto set = context->set(settings); !set) return std::unexpected(std::move(set.error()));
  return context;
}

std::expected<std::shared_ptr<ClientContext>, std::string> Library::client(const ClientSettings& settings) {
  auto context = std::make_shared<ClientContext>(state_);
  if (auto set = context->set(settings); !set) return std::unexpected(std::move(set.error()));
  return context;
}

bool trusts_as_before(const ServerContext& now, const ServerContext& before) {
  if (!now.trusted()) return true;
  return before.trusted() && now.trusted()->has_all_of(*before.trusted());
}

bool trusts_as_before(const ClientContext& now, const ClientContext& before) {
  return now.name() == before.name() && now.trusted()->has_all_of(*before.trusted());
}

}  // namespace weft::tls
