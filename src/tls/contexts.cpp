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

/// What a session is bound to: settings that differ trust others, or show another certificate.
std::array<unsigned char, 32> fingerprint(const EVP_MD* sha256, const ServerSettings& settings) {
  std::array<unsigned char, 32> digest{};
  const DigestContext context(EVP_MD_CTX_new());
  EVP_DigestInit_ex2(context.get(), sha256, nullptr);
  for (const auto* text : {&settings.own.certificate, &settings.client_ca}) {
    const auto size = text->size();
    EVP_DigestUpdate(context.get(), &size, sizeof size);
    EVP_DigestUpdate(context.get(), text->data(), size);
  }
  EVP_DigestFinal_ex(context.get(), digest.data(), nullptr);
  return digest;
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

Result<void> Context::show(const KeyPair& own) {
  auto certificates = read_certificates(library_->openssl.get(), own.certificate);
  if (!certificates) return base::fail(FaultKind::settings, "the certificate: " + certificates.error().why);
  const auto key = read_key(library_->openssl.get(), own.key);
  if (!key) return base::fail(FaultKind::settings, "the key: " + key.error().why);
  auto* const context = openssl_.get();
  ERR_clear_error();
  if (SSL_CTX_use_certificate(context, certificates->front().get()) != 1)
    return base::fail(FaultKind::settings, "the certificate is not taken: " + take_error());
  if (SSL_CTX_use_PrivateKey(context, key->get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    ERR_clear_error();
    return base::fail(FaultKind::settings, "the key is not that of the first certificate");
  }
  for (std::size_t i = 1; i < certificates->size(); ++i)
    SSL_CTX_add1_chain_cert(context, (*certificates)[i].get());
  return {};
}

Result<void> Context::trust(std::string_view ca) {
  const auto certificates = read_certificates(library_->openssl.get(), ca);
  if (!certificates) return base::fail(FaultKind::settings, certificates.error().why);
  auto* const store = SSL_CTX_get_cert_store(openssl_.get());
  for (const auto& certificate : *certificates) X509_STORE_add_cert(store, certificate.get());
  ERR_clear_error();  // one that is there twice is none the worse
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(openssl_.get()), X509_V_FLAG_PARTIAL_CHAIN);
  return {};
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

Result<void> ServerContext::set(const ServerSettings& settings) {
  if (auto shown = show(settings.own); !shown) return shown;
  if (!settings.client_ca.empty()) {
    if (auto trusted = trust(settings.client_ca); !trusted)
      return base::fail(FaultKind::settings, "the clients' CA: " + trusted.error().detail);
    SSL_CTX_set_verify(openssl(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  protocols_ = protocol_list(settings.protocols);
  takes_others_ = settings.takes_others;
  if (!protocols_.empty()) SSL_CTX_set_alpn_select_cb(openssl(), choose_protocol, this);
  keep_sessions(settings);
  return {};
}

void ServerContext::keep_sessions(const ServerSettings& settings) {
  auto* const context = openssl();
  const auto id = fingerprint(library().sha256.get(), settings);
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

Result<void> ClientContext::set(const ClientSettings& settings) {
  if (auto trusted = trust(settings.ca); !trusted)
    return base::fail(FaultKind::settings, "the CA: " + trusted.error().detail);
  if (!settings.own.is_empty()) {
    if (auto shown = show(settings.own); !shown) return shown;
  }
  SSL_CTX_set_verify(openssl(), SSL_VERIFY_PEER, nullptr);
  auto* const wanted = SSL_CTX_get0_param(openssl());
  if (X509_VERIFY_PARAM_set1_ip_asc(wanted, settings.name.c_str()) != 1) {
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (settings.name.empty() || settings.name.contains('\0') ||
        X509_VERIFY_PARAM_set1_host(wanted, settings.name.data(), settings.name.size()) != 1)
      return base::fail(FaultKind::settings, fmt::format("\"{}\" is no host name", settings.name));
    server_name_ = settings.name;
  }
  SSL_CTX_set_session_cache_mode(openssl(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(openssl(), session_is_new);
  return {};
}

Library::Library(std::shared_ptr<SessionStore> sessions, Measures measures, base::Clock& clock) {
  begin_openssl();
  state_ = std::make_shared<State>(std::move(sessions), measures, clock);
}
Library::~Library() = default;

std::optional<PemFault> Library::check_certificates(std::string_view pem) const {
  auto read = read_certificates(state_->openssl.get(), pem);
  return read ? std::nullopt : std::optional(std::move(read.error()));
}

std::optional<PemFault> Library::check_key(std::string_view pem) const {
  auto read = read_key(state_->openssl.get(), pem);
  return read ? std::nullopt : std::optional(std::move(read.error()));
}

bool Library::fits(const KeyPair& own) const {
  const auto certificates = read_certificates(state_->openssl.get(), own.certificate);
  const auto key = read_key(state_->openssl.get(), own.key);
  const bool fits =
      certificates && key && X509_check_private_key(certificates->front().get(), key->get()) == 1;
  ERR_clear_error();
  return fits;
}

std::vector<Validity> Library::validity(std::string_view pem) const {
  std::vector<Validity> all;
  if (const auto read = read_certificates(state_->openssl.get(), pem)) {
    for (const auto& one : *read) {
      all.push_back({wall_time(X509_get0_notBefore(one.get())), wall_time(X509_get0_notAfter(one.get()))});
    }
  }
  return all;
}

const Library::Counters& Library::counters() const { return state_->counters; }

Result<std::shared_ptr<ServerContext>> Library::server(const ServerSettings& settings) {
  auto context = std::make_shared<ServerContext>(state_);
  if (auto set = context->set(settings); !set) return std::unexpected(std::move(set.error()));
  return context;
}

Result<std::shared_ptr<ClientContext>> Library::client(const ClientSettings& settings) {
  auto context = std::make_shared<ClientContext>(state_);
  if (auto set = context->set(settings); !set) return std::unexpected(std::move(set.error()));
  return context;
}

}  // namespace weft::tls
