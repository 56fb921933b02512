// One TLS connection over a Stream: records between the transport, OpenSSL and who reads and writes.
//
// OpenSSL's side of the transport is this room's own BIO. It reads from and writes to buffers of the thread,
// so that a connection at rest has none: what is left of a read (a part of a record, or records for which the
// reader had no room) and of a write that the transport did not take are its own until they are gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "tls/contexts.h"
#include "tls/openssl.h"
#include "tls/tls.h"

namespace weft::tls {

class OpenConnection final : public Connection {
 public:
  /// `resumption` of a client, or null.
  OpenConnection(std::shared_ptr<Context> context, std::unique_ptr<runtime::Stream> transport, bool is_server,
                 std::shared_ptr<Resumption> resumption);
  OpenConnection(const OpenConnection&) = delete;
  OpenConnection& operator=(const OpenConnection&) = delete;
  ~OpenConnection() override;

  // The handshake.
  void ask_for(const ClientContext& context, const std::vector<std::string>& protocols);
  enum class Step : std::uint8_t { done, reads, writes };
  /// As far as it goes now; what it waits for then.
  Result<Step> shake_hands();
  runtime::Stream& transport() { return *transport_; }

  // For the context's callbacks. How long the peer's certificate is good goes on with its session.
  const std::shared_ptr<Resumption>& resumption() const { return resumption_; }
  base::WallTime peer_good_until() const { return peer_good_until_; }
  void set_peer_good_until(base::WallTime until) { peer_good_until_ = until; }

  // Connection.
  std::string_view protocol() const override;
  std::string_view version() const override { return SSL_get_version(ssl_.get()); }
  bool is_resumed() const override { return SSL_session_reused(ssl_.get()) != 0; }
  bool has_peer_certificate() const override { return SSL_get0_peer_certificate(ssl_.get()) != nullptr; }
  void when_refused(std::function<void(const Fault&)> told) override { when_refused_ = std::move(told); }

  // Stream.
  runtime::IoResult<std::size_t> try_read(std::span<char> into) override;
  runtime::IoResult<std::size_t> try_peek(std::span<char> into) override;
  bool may_read() const override;
  void catch_up() override { transport_->catch_up(); }
  bool has_ended() const override;
  runtime::IoResult<std::size_t> try_write(std::span<const iovec> from) override;
  bool holds_back() const override { return ends_after_ && failed_.code == 0 && write_error_.code == 0; }
  void shutdown_write() override;
  void reset_at_close(bool on) override;
  const base::Address& peer() const override { return transport_->peer(); }
  std::optional<std::uint64_t> taken_of(std::uint64_t) const override { return std::nullopt; }
  void fail(runtime::IoError error) override;
  std::size_t unsent() const override { return transport_->unsent() + unsent_.size(); }

 private:
  friend struct Records;  // the BIO

  /// One use of OpenSSL: the buffers of the thread are this connection's from its begin to its end.
  class Turn {
   public:
    explicit Turn(OpenConnection& connection);
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() { connection_.keep_rest(); }

   private:
    OpenConnection& connection_;
  };

  void begin_to_watch();
  void on_readable();
  void on_writable();
  runtime::IoResult<std::size_t> read_plain(std::span<char> into);
  /// What SSL_read() or SSL_write() means by having done nothing.
  runtime::IoError error_of(int result);
  /// Why the transport takes nothing more: who has refused and gone has said so before.
  runtime::IoError error_of_write();
  /// Bytes of records for OpenSSL; -1: nothing now.
  int give_records(char* into, int size);
  /// Keeps what of this turn's read is left.
  void keep_rest();
  /// Sends what OpenSSL has written; false if some of it is left, or can never leave.
  bool flush();
  /// Why the handshake cannot go on; nothing if it only waits.
  std::optional<Fault> fault_of(int result);
  void count_record();

  const std::shared_ptr<Context> context_;
  std::unique_ptr<runtime::Stream> transport_;
  Ssl ssl_;
  std::shared_ptr<Resumption> resumption_;
  base::WallTime peer_good_until_ = base::WallTime::max();

  std::string unread_;       // records, or parts of one
  std::string peeked_;       // plaintext
  std::string unsent_;       // records
  std::size_t written_ = 0;  // plaintext in them, of which the writer was not told yet
  std::uint64_t records_ = 0;
  runtime::IoError failed_;
  /// Empty once the peer has sent anything for the reader.
  std::function<void(const Fault&)> when_refused_;
  /// Of the transport.
  runtime::IoError read_error_;
  runtime::IoError write_error_;
  /// Bytes that OpenSSL has been given since it gave any plaintext.
  std::size_t fruitless_ = 0;
  /// Of the notification that is under way.
  bool* destroyed_ = nullptr;
  bool is_open_ = false;
  /// A write waits for the rest of a message of the peer.
  bool write_reads_ = false;
  bool ends_after_ = false;
  bool has_shut_down_ = false;
  runtime::Hook<OpenConnection, &OpenConnection::on_readable> readable_hook_{*this};
  runtime::Hook<OpenConnection, &OpenConnection::on_writable> writable_hook_{*this};
};

OpenConnection& connection_of(SSL* ssl);

}  // namespace weft::tls
