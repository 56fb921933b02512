#include "tls/connection.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/combine.h"

namespace weft::tls {
namespace {

using runtime::IoError;
using runtime::IoResult;

/// Plaintext of one record (RFC 8446, 5.1).
constexpr std::size_t max_record = 16 * 1024;
/// One record with its header and what encryption adds to it.
constexpr std::size_t read_size = max_record + 512;
/// What one write takes at most: enough that a system call's cost does not show, and little to keep if the
/// transport takes none.
constexpr std::size_t max_write = 4 * max_record;
/// Of records that the transport does not take: what one write makes, and a handshake's last flight.
constexpr std::size_t most_unsent = 2 * max_write;
/// What a peer may send within which there is nothing for the reader: tickets, a change of keys; each of the
/// latter costs as much as a record, and they have no end of their own.
constexpr std::size_t most_fruitless = 64 * 1024;
/// With AES-GCM a key protects 2^24.5 records at most (RFC 8446, 5.5); it is changed before.
constexpr std::uint64_t records_of_a_key = std::uint64_t{1} << 23U;

/// Bytes of this turn's read that OpenSSL has not yet asked for.
struct Window {
  std::array<char, read_size> bytes;
  std::string_view rest;
};
thread_local Window window;
/// What OpenSSL writes in this turn.
thread_local std::string output;

/// The room of a text that is empty: an assignment would keep it.
void give_back(std::string& empty) { std::string().swap(empty); }

/// Within the handshake, which a Deadline breaks when its time is over.
Fault fault_of_transport(IoError error) {
  if (error.code == ETIMEDOUT) return {FaultKind::timeout, "the handshake took too long"};
  return {FaultKind::io, "the peer went away: " + error.message()};
}

/// Whether these alerts are about the handshake alone, so that who sends one has not completed it: of others
/// it may have read and done something before.
bool is_about_handshake(int reason) {
  switch (reason - SSL_AD_REASON_OFFSET) {
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_DECRYPT_ERROR:
    case SSL_AD_CERTIFICATE_REQUIRED: return true;
    default: return false;
  }
}

Fault refused_by_peer(std::string_view words) {
  return {FaultKind::refused, fmt::format("the peer refused: {}", words)};
}

}  // namespace

/// OpenSSL's calls for the transport.
struct Records {
  static OpenConnection& connection(BIO* bio) { return *static_cast<OpenConnection*>(BIO_get_data(bio)); }
  static int read(BIO* bio, char* into, int size) {
    BIO_clear_retry_flags(bio);
    const int given = connection(bio).give_records(into, size);
    if (given < 0) BIO_set_retry_read(bio);
    return given;
  }
  static int write(BIO*, const char* from, int size) {
    output.append(from, static_cast<std::size_t>(size));
    return size;
  }
  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static const BIO_METHOD* method() {
    static BIO_METHOD* const made = [] {
      auto* const method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weft");
      BIO_meth_set_read(method, read);
      BIO_meth_set_write(method, write);
      BIO_meth_set_ctrl(method, control);
      return method;
    }();
    return made;
  }
};

OpenConnection& connection_of(SSL* ssl) { return *static_cast<OpenConnection*>(SSL_get_app_data(ssl)); }

OpenConnection::OpenConnection(std::shared_ptr<Context> context, std::unique_ptr<runtime::Stream> transport,
                               bool is_server, std::shared_ptr<Resumption> resumption)
    : context_(std::move(context)),
      transport_(std::move(transport)),
      ssl_(SSL_new(context_->openssl())),
      resumption_(std::move(resumption)) {
  auto* const bio = ssl_ ? BIO_new(Records::method()) : nullptr;
  if (bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  if (is_server) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
  }
}

OpenConnection::Turn::Turn(OpenConnection& connection) : connection_(connection) {
  output.clear();
  ERR_clear_error();
}

OpenConnection::~OpenConnection() {
  if (destroyed_ != nullptr) *destroyed_ = true;
  transport_->readable().cancel(readable_hook_);
  transport_->writable().cancel(writable_hook_);
  if (!is_open_ || failed_.code != 0) return;
  if (resets_at_close() || has_shut_down_ || !unsent_.empty() || write_error_.code != 0 ||
      transport_->has_ended()) {
    // Its session is none the worse.
    SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    return;
  }
  const Turn turn(*this);
  SSL_shutdown(ssl_.get());
  flush();
}

void OpenConnection::ask_for(const ClientContext& context, const std::vector<std::string>& protocols) {
  if (!context.server_name().empty()) SSL_set_tlsext_host_name(ssl_.get(), context.server_name().c_str());
  const auto list = protocol_list(protocols);
  if (!list.empty())
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(list.data()),
                        static_cast<unsigned int>(list.size()));
  if (!resumption_) return;
  auto& library = context.library();
  const auto last = resumption_->take(context.number(), library.now());
  if (!last.session) return;
  peer_good_until_ = last.peer_good_until;
  SSL_set_session(ssl_.get(), last.session.get());
}

Result<OpenConnection::Step> OpenConnection::shake_hands() {
  const Turn turn(*this);
  if (!unsent_.empty() && !flush() && write_error_.code == 0) return Step::writes;
  const int result = SSL_do_handshake(ssl_.get());
  auto fault = result == 1 ? std::nullopt : fault_of(result);
  const bool is_flushed = flush();
  if (!fault && write_error_.code != 0) fault = fault_of_transport(write_error_);
  if (fault) return std::unexpected(std::move(*fault));
  if (result != 1) return is_flushed ? Step::reads : Step::writes;
  // The rest, such as tickets, leaves as it can: the peer may read nothing before it has written.
  begin_to_watch();
  return Step::done;
}

std::optional<Fault> OpenConnection::fault_of(int result) {
  if (read_error_.code != 0) return fault_of_transport(read_error_);
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return std::nullopt;
  const auto code = ERR_peek_error();
  const int reason = ERR_GET_REASON(code);
  if (error != SSL_ERROR_SSL || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    ERR_clear_error();
    return Fault{FaultKind::io, "the peer ended the connection within the handshake"};
  }
  const auto words = take_error();
  switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return Fault{FaultKind::certificate,
                   std::string("the peer's certificate: ") +
                       X509_verify_cert_error_string(SSL_get_verify_result(ssl_.get()))};
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return Fault{FaultKind::certificate, "the peer has shown no certificate"};
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_RECORD_LENGTH_MISMATCH: return Fault{FaultKind::not_tls, "the peer speaks no TLS"};
    default: break;
  }
  if (reason > SSL_AD_REASON_OFFSET) return refused_by_peer(words);
  return Fault{FaultKind::protocol, words};
}

void OpenConnection::begin_to_watch() {
  is_open_ = true;
  transport_->readable().wait(readable_hook_);
  transport_->writable().wait(writable_hook_);
}

void OpenConnection::on_readable() {
  transport_->readable().wait(readable_hook_);
  if (!std::exchange(write_reads_, false)) return readable_.notify();  // may be the end of this
  bool destroyed = false;
  destroyed_ = &destroyed;
  readable_.notify();
  if (destroyed) return;
  destroyed_ = nullptr;
  writable_.notify();
}

void OpenConnection::on_writable() {
  transport_->writable().wait(writable_hook_);
  if (!unsent_.empty()) {
    const Turn turn(*this);
    flush();
  }
  writable_.notify();
}

int OpenConnection::give_records(char* into, int size) {
  const auto give = [&](std::string_view from) {
    const auto count = std::min(from.size(), static_cast<std::size_t>(size));
    std::memcpy(into, from.data(), count);
    fruitless_ += count;
    return static_cast<int>(count);
  };
  if (is_open_ && fruitless_ > most_fruitless) read_error_ = {ECONNRESET};
  if (read_error_.code != 0) return 0;
  if (!unread_.empty()) {
    const int count = give(unread_);
    unread_.erase(0, static_cast<std::size_t>(count));
    return count;
  }
  if (window.rest.empty()) {
    if (!transport_->may_read()) return -1;
    const auto came = transport_->try_read(window.bytes);
    if (!came && came.error().would_block()) return -1;
    if (!came) read_error_ = came.error();
    window.rest = {window.bytes.data(), came.value_or(0)};
  }
  const int count = give(window.rest);
  window.rest.remove_prefix(static_cast<std::size_t>(count));
  return count;  // 0: the end
}

void OpenConnection::keep_rest() {
  unread_.append(window.rest);
  window.rest = {};
  if (unread_.empty()) give_back(unread_);
}

bool OpenConnection::flush() {
  if (!unsent_.empty()) unsent_ += output;
  std::string_view rest = unsent_.empty() ? output : unsent_;
  while (!rest.empty() && write_error_.code == 0) {
    const iovec part{const_cast<char*>(rest.data()), rest.size()};  // try_write changes nothing
    if (const auto sent = transport_->try_write({&part, 1})) {
      rest.remove_prefix(*sent);
    } else if (sent.error().would_block()) {
      break;
    } else {
      write_error_ = sent.error();
    }
  }
  if (write_error_.code != 0) rest = {};
  if (rest.size() != unsent_.size()) std::string(rest).swap(unsent_);
  output.clear();
  if (!unsent_.empty() || write_error_.code != 0) return false;
  if (std::exchange(ends_after_, false)) transport_->shutdown_write();
  return true;
}

IoError OpenConnection::error_of(int result) {
  const int error = SSL_get_error(ssl_.get(), result);
  const int reason = error == SSL_ERROR_SSL ? ERR_GET_REASON(ERR_peek_error()) : 0;
  const auto words = reason > SSL_AD_REASON_OFFSET ? take_error() : std::string();
  ERR_clear_error();
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return {EAGAIN};
  if (read_error_.code != 0) return failed_ = read_error_;
  if (when_refused_ && is_about_handshake(reason)) {
    failed_ = {EKEYREJECTED};
    std::exchange(when_refused_, nullptr)(refused_by_peer(words));
    return failed_;
  }
  // A record that is none is what somebody on the way has made of it; one that is missing was cut off.
  return failed_ = {ECONNRESET};
}

IoError OpenConnection::error_of_write() {
  if (when_refused_) {
    char byte = 0;
    std::size_t count = 0;
    transport_->catch_up();
    ERR_clear_error();
    if (const int done = SSL_peek_ex(ssl_.get(), &byte, 1, &count); done != 1) error_of(done);
  }
  return failed_.code != 0 ? failed_ : write_error_;
}

IoResult<std::size_t> OpenConnection::read_plain(std::span<char> into) {
  if (failed_.code != 0) return std::unexpected(failed_);
  if ((SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0) return 0;
  const Turn turn(*this);
  IoResult<std::size_t> result = 0;
  do {
    std::size_t count = 0;
    ERR_clear_error();
    const int done = SSL_read_ex(ssl_.get(), into.data() + *result, into.size() - *result, &count);
    if (done == 1) {
      *result += count;
      fruitless_ = 0;
      if (when_refused_) when_refused_ = nullptr;
    } else if (SSL_get_error(ssl_.get(), done) == SSL_ERROR_ZERO_RETURN) {
      break;
    } else if (const auto error = error_of(done); *result == 0) {
      result = std::unexpected(error);
      break;
    } else {
      // Told of with the next read.
      break;
    }
  } while (*result < into.size() && (!unread_.empty() || !window.rest.empty()));
  // Answers to changes of keys, or an alert. Who asks for them without end and reads none is cut.
  if (!output.empty()) flush();
  if (unsent_.size() > most_unsent) return std::unexpected(failed_ = {ECONNRESET});
  return result;
}

IoResult<std::size_t> OpenConnection::try_read(std::span<char> into) {
  if (peeked_.empty()) return read_plain(into);
  const auto count = std::min(into.size(), peeked_.size());
  std::memcpy(into.data(), peeked_.data(), count);
  peeked_.erase(0, count);
  if (peeked_.empty()) give_back(peeked_);
  return count;
}

IoResult<std::size_t> OpenConnection::try_peek(std::span<char> into) {
  std::array<char, max_record> room;
  IoResult<std::size_t> came = 0;
  while (peeked_.size() < into.size()) {
    came = read_plain(std::span(room).first(std::min(room.size(), into.size() - peeked_.size())));
    if (!came || *came == 0) break;
    peeked_.append(room.data(), *came);
  }
  if (peeked_.empty()) return came;
  const auto count = std::min(into.size(), peeked_.size());
  std::memcpy(into.data(), peeked_.data(), count);
  return count;
}

bool OpenConnection::may_read() const {
  return !peeked_.empty() || !unread_.empty() || failed_.code != 0 || SSL_pending(ssl_.get()) > 0 ||
         (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0 || transport_->may_read();
}

bool OpenConnection::has_ended() const {
  return failed_.code != 0 || (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0 ||
         transport_->has_ended();
}

void OpenConnection::count_record() {
  if (++records_ % records_of_a_key == 0 && SSL_version(ssl_.get()) == TLS1_3_VERSION)
    SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED);
}

IoResult<std::size_t> OpenConnection::try_write(std::span<const iovec> from) {
  if (failed_.code != 0) return std::unexpected(failed_);
  if (has_shut_down_) return runtime::io_error(EPIPE);
  const Turn turn(*this);
  if (!unsent_.empty()) flush();
  if (write_error_.code != 0) return std::unexpected(error_of_write());
  if (!unsent_.empty()) return runtime::io_error(EAGAIN);
  // What the transport could not take before was these bytes, of which a writer may now have fewer at hand.
  if (written_ > 0) {
    std::size_t offered = 0;
    for (const auto& part : from) offered += part.iov_len;
    const auto told = std::min(written_, offered);
    written_ -= told;
    return told;
  }
  static thread_local std::array<char, max_record> together;
  // After each record: how much of what leaves that is, and of what was to be written. All but the last are
  // full, so that there are few.
  std::array<std::pair<std::size_t, std::size_t>, max_write / max_record + 1> ends{};
  std::size_t records = 0;
  std::size_t part = 0;
  std::size_t offset = 0;
  std::size_t total = 0;
  while (part < from.size() && total < max_write && records < ends.size()) {
    // Small pieces go into one record.
    std::string_view record(static_cast<const char*>(from[part].iov_base) + offset,
                            from[part].iov_len - offset);
    if (record.size() < max_record && part + 1 < from.size()) {
      std::size_t size = 0;
      auto at = offset;
      for (auto i = part; i < from.size() && size < together.size(); ++i, at = 0) {
        const auto count = std::min(from[i].iov_len - at, together.size() - size);
        std::memcpy(together.data() + size, static_cast<const char*>(from[i].iov_base) + at, count);
        size += count;
      }
      record = {together.data(), size};
    }
    record = record.substr(0, max_record);
    if (record.empty()) break;
    std::size_t taken = 0;
    ERR_clear_error();
    const int done = SSL_write_ex(ssl_.get(), record.data(), record.size(), &taken);
    if (done != 1) {
      const auto error = error_of(done);
      // A message of the peer has begun, of which OpenSSL must have the rest first.
      write_reads_ = error.would_block();
      if (total == 0) return std::unexpected(error);
      break;
    }
    count_record();
    total += taken;
    ends[records++] = {output.size(), total};
    for (; part < from.size() && taken >= from[part].iov_len - offset; ++part, offset = 0)
      taken -= from[part].iov_len - offset;
    offset += taken;
  }
  const auto all = output.size();
  if (flush()) return total;
  if (write_error_.code != 0) return std::unexpected(error_of_write());
  // The peer can read the records that have left as a whole: they must not pass for unwritten.
  std::size_t left = 0;
  for (const auto& [bytes, plain] : std::span(ends).first(records)) {
    if (bytes <= all - unsent_.size()) left = plain;
  }
  written_ = total - left;
  if (left > 0) return left;
  return runtime::io_error(EAGAIN);
}

void OpenConnection::shutdown_write() {
  if (std::exchange(has_shut_down_, true) || failed_.code != 0) return;
  const Turn turn(*this);
  SSL_shutdown(ssl_.get());
  ends_after_ = true;
  flush();
}

void OpenConnection::reset_at_close(bool on) {
  Stream::reset_at_close(on);
  transport_->reset_at_close(on);
}

void OpenConnection::fail(IoError error) {
  if (failed_.code == 0) failed_ = error;
  transport_->fail(error);
}

std::string_view OpenConnection::protocol() const {
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

namespace {

using Open = std::unique_ptr<OpenConnection>;

runtime::Task<Result<std::unique_ptr<Connection>>> open(runtime::Reactor& reactor, Open connection,
                                                        base::Duration limit) {
  auto& transport = connection->transport();
  runtime::Deadline deadline(reactor, transport);
  deadline.expires_after(limit);
  while (true) {
    const auto step = connection->shake_hands();
    if (!step) co_return std::unexpected(step.error());
    switch (*step) {
      case OpenConnection::Step::done: co_return std::move(connection);
      case OpenConnection::Step::reads: co_await runtime::Wait(transport.readable()); break;
      case OpenConnection::Step::writes: co_await runtime::Wait(transport.writable()); break;
    }
  }
}

}  // namespace

runtime::Task<Result<std::unique_ptr<Connection>>> accept(runtime::Reactor& reactor,
                                                          std::shared_ptr<ServerContext> context,
                                                          std::unique_ptr<runtime::Stream> transport,
                                                          base::Duration limit) {
  return open(reactor,
              std::make_unique<OpenConnection>(std::move(context), std::move(transport), true, nullptr),
              limit);
}

runtime::Task<Result<std::unique_ptr<Connection>>> connect(runtime::Reactor& reactor,
                                                           std::shared_ptr<ClientContext> context,
                                                           std::unique_ptr<runtime::Stream> transport,
                                                           std::vector<std::string> protocols,
                                                           std::shared_ptr<Resumption> resumption,
                                                           base::Duration limit) {
  auto connection =
      std::make_unique<OpenConnection>(context, std::move(transport), false, std::move(resumption));
  connection->ask_for(*context, protocols);
  return open(reactor, std::move(connection), limit);
}

}  // namespace weft::tls
