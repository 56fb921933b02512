// A client's HTTP/1.1 connection: request after request, with the limits on its patience.
#pragma once

#include <cerrno>
#include <memory>
#include <optional>

#include "http/h1/reader.h"
#include "http/h1/writer.h"
#include "message/patch.h"
#include "proxy/http_connection.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::proxy {

/// What a client's connection needs while it carries a request. On loan from its worker, so that a connection
/// at rest is small and a busy one allocates nothing.
struct Codec {
  explicit Codec(runtime::Reactor& reactor) : read_deadline(reactor), write_deadline(reactor) {}
  void attach(runtime::Stream& stream, base::Duration pause_limit);
  /// The stream may go.
  void detach();
  /// It has served a head so large that its memory is better given back.
  bool is_bloated() const;

  http::h1::RequestReader reader;
  http::h1::Writer writer;
  message::Patch request_patch;
  message::Patch response_patch;
  /// For one piece of a request's body to come.
  runtime::Deadline read_deadline;
  /// For one piece of a response to be taken.
  runtime::Deadline write_deadline;
};

/// While a request is under way it is the client's side of that (proxy/side.h).
class H1Client final : public HttpConnection {
 public:
  H1Client(Worker& worker, LocalPtr<ListenerState> listener, std::unique_ptr<runtime::Stream> stream,
           Peer peer);
  ~H1Client();

  /// Serves its requests until it ends.
  runtime::Task<void> run();
  void end_soon() override;
  void hurry_if_idle(base::Duration limit) override;

  ClientConnection& connection() { return *this; }

  // The request.
  const message::RequestHead& head() const { return codec_->reader.head(); }
  message::Content content() const { return codec_->reader.framing().content(); }
  std::optional<http::ReadResult<std::string_view>> try_body() { return codec_->reader.try_body(); }
  bool is_body_done() const { return codec_->reader.body_done(); }
  bool has_more() const { return !codec_->reader.buffered().empty(); }
  const message::Headers& trailers() const { return codec_->reader.trailers(); }
  runtime::Readiness& readable() { return stream_->readable(); }
  bool has_ended() const { return stream_->has_ended(); }
  runtime::Deadline& read_deadline() { return codec_->read_deadline; }
  message::Patch& request_patch() { return codec_->request_patch; }

  // The response.
  message::Patch& response_patch() { return codec_->response_patch; }
  /// HTTP/1.0 knows none (RFC 9110, 15.2).
  bool takes_interim() const { return !is_http10(); }
  void put_bare_head(const message::ResponseHead& head, const message::Patch& patch) {
    codec_->writer.put_head(head, {}, patch);
  }
  /// With a field Connection added to `patch`.
  void put_head(const message::ResponseHead& head, const message::Content& content, message::Patch& patch);
  http::h1::Writer::Sending write(std::string_view piece, bool last, const message::Headers* trailers) {
    return codec_->writer.write(piece, last, trailers);
  }
  http::h1::Writer::Sending flush() { return codec_->writer.flush(); }
  void take_back();
  void close_after() { is_kept_ = false; }

  // A tunnel.
  runtime::Stream& stream() { return *stream_; }
  std::string_view buffered() const { return codec_->reader.buffered(); }

 private:
  /// The next head, or what was found in its place; nothing if more must arrive.
  std::optional<http::ReadResult<void>> try_head();
  void end_late() override { end_at_rest({ETIMEDOUT}); }
  /// No request is under way.
  void end_at_rest(runtime::IoError why);
  /// What came in the place of the first head is the preface of HTTP/2: whether, once all of it has come, it
  /// has been given to whom that concerns.
  /// Not inlined: each connection's frame would hold that of this.
  [[gnu::noinline]] runtime::Task<bool> hand_over();
  bool has_begun() const { return codec_ != nullptr && codec_->reader.has_begun(); }
  bool is_http10() const { return head().version == message::Version::http_1_0; }

  std::unique_ptr<runtime::Stream> stream_;
  std::unique_ptr<Codec> codec_;
  /// The connection may carry another request.
  bool is_kept_ = true;
  /// The response that is under way ends with the connection.
  bool ends_by_close_ = false;
};

/// Serves a connection of HTTP to its end, or hands it over where it begins with the preface of HTTP/2.
runtime::Task<void> serve_http(Worker& worker, LocalPtr<ListenerState> listener,
                               std::unique_ptr<runtime::Stream> stream, Peer peer);

}  // namespace weft::proxy
