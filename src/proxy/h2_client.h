// A client's HTTP/2 connection: many requests at a time, each the client's side of an exchange.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "base/intrusive_list.h"
#include "http/h2/connection.h"
#include "message/patch.h"
#include "proxy/h2_tunnel.h"
#include "proxy/http_connection.h"
#include "runtime/frame_pool.h"
#include "runtime/reactor.h"
#include "runtime/running.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::proxy {

class H2Client;

/// One request of it (proxy/side.h). Goes by itself when it is over.
class H2Request final : private runtime::Waiter, private runtime::Breakable, public base::Link<H2Request> {
 public:
  H2Request(H2Client& client, http::h2::ServerStream stream);
  H2Request(const H2Request&) = delete;
  H2Request& operator=(const H2Request&) = delete;
  static void* operator new(std::size_t size) { return runtime::allocate_frame(size); }
  static void operator delete(void* memory, std::size_t size) { runtime::release_frame(memory, size); }

  /// Begins to serve it. May be its end.
  void start() { running_.start(); }

  ClientConnection& connection();

  // The request.
  const message::RequestHead& head() const { return stream_.head(); }
  message::Content content() const;
  std::optional<http::ReadResult<std::string_view>> try_body() { return stream_.try_body(); }
  bool is_body_done() const { return stream_.is_tunnel() || stream_.body_done(); }
  bool has_more() const { return stream_.has_more(); }
  const message::Headers& trailers() const { return stream_.trailers(); }
  runtime::Readiness& readable() { return stream_.readable(); }
  bool has_ended() const { return !stream_.is_open(); }
  runtime::Deadline& read_deadline() { return read_deadline_; }
  message::Patch& request_patch() { return request_patch_; }

  // The response.
  message::Patch& response_patch() { return response_patch_; }
  static bool takes_interim() { return true; }
  void put_bare_head(const message::ResponseHead& head, const message::Patch& patch) {
    stream_.put_head(head, {}, patch);
  }
  /// It leaves with the first write, so that it can be taken back.
  void put_head(const message::ResponseHead& head, const message::Content& content, const message::Patch&) {
    queued_ = &head;
    queued_content_ = content;
  }
  http::h2::RequestStream::Sending write(std::string_view piece, bool last, const message::Headers* trailers);
  http::h2::RequestStream::Sending flush() { return write({}, false, nullptr); }
  void take_back() { queued_ = nullptr; }
  /// Others come on streams of their own.
  static void close_after() {}

  // A tunnel.
  runtime::Stream& stream();
  static std::string_view buffered() { return {}; }

 private:
  friend class H2Client;
  void wake() override;
  void fail(runtime::IoError error) override { stream_.reset(http::h2::ResetCode::cancel, error); }
  std::size_t unsent() const override { return stream_.unsent(); }
  runtime::Task<void> serve();

  H2Client& client_;
  http::h2::ServerStream stream_;
  message::Patch request_patch_;
  message::Patch response_patch_;
  const message::ResponseHead* queued_ = nullptr;
  message::Content queued_content_;
  runtime::Deadline read_deadline_;
  runtime::Deadline write_deadline_;
  std::unique_ptr<H2Tunnel> tunnel_;
  runtime::Running running_;
};

class H2Client final : public HttpConnection {
 public:
  /// `received`: what was read of the stream before.
  H2Client(Worker& worker, LocalPtr<ListenerState> listener, std::unique_ptr<runtime::Stream> stream,
           Peer peer, std::string_view received);
  ~H2Client();

  /// Serves its requests until it ends.
  static runtime::Task<void> run(std::unique_ptr<H2Client> client);
  void end_soon() override { connection_.shut_down(); }
  void hurry_if_idle(base::Duration) override { end_soon(); }

 private:
  friend class H2Request;
  void end_late() override { connection_.shut_down(); }
  bool is_over() const { return connection_.has_ended() && requests_.empty(); }
  void take_requests();
  void begin(http::h2::ServerStream stream);
  void finish(H2Request& request);

  /// The client's; what remains of a connection's requests outlives its stream.
  const base::Address own_address_;
  http::h2::Connection connection_;
  base::IntrusiveList<H2Request> requests_;
};

/// Serves an HTTP/2 connection to its end; `received` was read of it before.
runtime::Task<void> serve_h2(Worker& worker, LocalPtr<ListenerState> listener,
                             std::unique_ptr<runtime::Stream> stream, Peer peer, std::string received);

}  // namespace weft::proxy
