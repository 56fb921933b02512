// TLS 1.3 and 1.2 (RFC 8446, RFC 5246) around any Stream. OpenSSL's types stay within this room.
//
// A Library belongs to one thread, with all that is made by it; what threads share is a SessionStore.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::tls {

/// Why there is no connection, for metrics; the words beside it say more.
enum class FaultKind : std::uint8_t {
  io,           // the transport broke, or ended
  timeout,      // the handshake took too long
  not_tls,      // the peer speaks something else
  protocol,     // a version, cipher or message that is not taken
  certificate,  // the peer's is missing, expired, of nobody trusted, or for another name
  refused,      // the peer refused with an alert
};
using Fault = base::ErrorOf<FaultKind>;
template <class T>
using Result = std::expected<T, Fault>;

/// A certificate with its key, as PEM (RFC 7468): the leaf first, then what leads to a root.
struct KeyPair {
  std::string certificate;
  std::string key;

  bool is_empty() const { return certificate.empty(); }
  friend bool operator==(const KeyPair&, const KeyPair&) = default;
};

struct ServerSettings {
  KeyPair own;
  /// Certificates (PEM) of which one must have issued the client's. Nothing: clients need none.
  std::optional<std::string> client_ca{};
  /// ALPN (RFC 7301), the most wanted first.
  std::vector<std::string> protocols{};
  /// A client that offers protocols and none of these is served as one that offers none. Else it is refused
  /// (3.2), unless there are none of these.
  bool takes_others = false;

  friend bool operator==(const ServerSettings&, const ServerSettings&) = default;
};

struct ClientSettings {
  /// Certificates (PEM) of which one must have issued the server's.
  std::string ca;
  /// What the server is asked for (SNI, RFC 6066, 3) and its certificate must be for: a host name, or an
  /// address, which is not sent.
  std::string name;
  /// Shown to a server that asks; may be empty.
  KeyPair own{};

  friend bool operator==(const ClientSettings&, const ClientSettings&) = default;
};

/// Each of the measures against what OpenSSL costs by default; all on but for the benchmark that shows what
/// each brings.
struct Measures {
  /// A library context that knows only the key types and decoders that TLS needs.
  bool has_filtered_library = true;
  /// The chain is what the settings say; OpenSSL builds none at each handshake.
  bool sends_chain_as_is = true;
  /// A chain that was verified is not verified again until it may have changed.
  bool remembers_verified = true;
  /// Sessions are kept here; a ticket is only their name.
  bool has_stateful_tickets = true;
  /// Only X25519 and P-256.
  bool pins_groups = true;
  /// The room for records is given back while a connection rests.
  bool releases_buffers = true;
};

/// What is wrong with one of the texts of settings, as "it is ...", and what to do.
struct TextFault {
  /// Of a pair each is good by itself.
  enum class Text : std::uint8_t { certificate, key, pair, ca };
  Text text;
  std::string why;
  std::string mend;
};

/// When a certificate is valid.
struct Validity {
  base::WallTime begin;
  base::WallTime end;
};

/// What is wrong with texts, and of those that are good when their certificates are valid.
struct Examined {
  std::vector<TextFault> faults;
  /// The leaf's is the first.
  std::vector<Validity> own;
  std::vector<Validity> ca;
};

/// Sessions of clients that may come back to any thread.
class SessionStore;
std::shared_ptr<SessionStore> make_session_store();

/// The last session with one server, to be resumed by the next connection there. Of one thread.
class Resumption;
std::shared_ptr<Resumption> make_resumption();

class ServerContext;
class ClientContext;

/// OpenSSL for one thread.
class Library {
 public:
  /// `sessions` null: no client can resume. `clock` says whether certificates are valid.
  explicit Library(std::shared_ptr<SessionStore> sessions, Measures measures = {},
                   base::Clock& clock = base::system_clock());
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library();

  /// For many connections, which may outlive it: a new one is made when a certificate or a bundle changes.
  /// Those with the same bundle share what is made of it. Fails, with the first thing that is wrong in words,
  /// if examine() finds a fault in the texts, or the name can be none.
  std::expected<std::shared_ptr<ServerContext>, std::string> server(const ServerSettings& settings);
  std::expected<std::shared_ptr<ClientContext>, std::string> client(const ClientSettings& settings);

  /// Takes the texts that there are as server() and client() do.
  Examined examine(const std::optional<KeyPair>& own, std::optional<std::string_view> ca) const;

  struct Counters {
    /// Chains whose verification was known already, and those that were verified.
    std::uint64_t verified_before = 0;
    std::uint64_t verified = 0;
  };
  const Counters& counters() const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

/// Whether who was trusted by `before` is trusted by `now`: no authority has gone, and none is asked for
/// where none was; of clients' contexts, the name is the same. An authority is its name with its key, so that
/// one whose certificate was renewed is the same; a certificate that is no authority's is itself alone.
bool trusts_as_before(const ServerContext& now, const ServerContext& before);
bool trusts_as_before(const ClientContext& now, const ClientContext& before);

/// A TLS connection whose handshake is done. As a Stream it is the plaintext: an end without close_notify is
/// an error (ECONNRESET), so that what was cut is never taken for whole; destruction sends close_notify
/// unless it resets. What a write has taken has left for the transport.
class Connection : public runtime::Stream {
 public:
  /// The protocol that was agreed on by ALPN; empty if none was.
  virtual std::string_view protocol() const = 0;
  /// "TLSv1.3".
  virtual std::string_view version() const = 0;
  virtual bool is_resumed() const = 0;
  /// The peer has shown a certificate, which is valid.
  virtual bool has_peer_certificate() const = 0;
  /// Of a client: calls `told`, once at most, if the server refuses the handshake in place of its first byte,
  /// as one of TLS 1.3 does that is shown no certificate, or a bad one (RFC 8446, 4.4.2.4). Nothing that was
  /// written has reached its program then, and reads fail with EKEYREJECTED.
  virtual void when_refused(std::function<void(const Fault&)> told) = 0;
};

/// Serves a client's handshake over `transport` within `limit`.
runtime::Task<Result<std::unique_ptr<Connection>>> accept(runtime::Reactor& reactor,
                                                          std::shared_ptr<ServerContext> context,
                                                          std::unique_ptr<runtime::Stream> transport,
                                                          base::Duration limit);
/// Begins one with a server. `protocols` are offered by ALPN. `resumption` may be null; it must be for that
/// server and that context.
runtime::Task<Result<std::unique_ptr<Connection>>> connect(runtime::Reactor& reactor,
                                                           std::shared_ptr<ClientContext> context,
                                                           std::unique_ptr<runtime::Stream> transport,
                                                           std::vector<std::string> protocols,
                                                           std::shared_ptr<Resumption> resumption,
                                                           base::Duration limit);

}  // namespace weft::tls
