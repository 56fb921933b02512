// gRPC calls over an HTTP/2 connection: bidirectional streams and unary calls, of messages as bytes.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "http/grpc/framing.h"
#include "http/grpc/status.h"
#include "http/h2/connection.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace weft::http::grpc {

struct CallOptions {
  std::string authority = "localhost";
  message::Headers metadata;
  /// Of the whole call; zero: none. The server is told.
  base::Duration timeout{};
  /// Most bytes of one message that is received.
  std::size_t max_message = 16 * 1024 * 1024;
};

/// One call. Destroying it before its end cancels it. One sender and one receiver at a time.
class ClientCall {
 public:
  /// `path` is "/package.Service/Method". The connection must outlive the call only to be useful.
  static Result<ClientCall> open(runtime::Reactor& reactor, h2::Connection& connection, std::string path,
                                 CallOptions options);

  /// Sends a message; the `last` one half-closes the call too. An error says only that the call is over;
  /// receive() tells how it ended.
  runtime::Task<Result<void>> send(std::string message, bool last = false);
  /// No more messages come from this side.
  runtime::Task<void> half_close();
  /// Ends when the server has begun to answer; how the call ended, if it did instead.
  runtime::Task<Result<void>> started();
  /// The next message; nothing when the call has ended well; else how it ended.
  runtime::Task<Result<std::optional<std::string>>> receive();
  /// Whether receive() has something without waiting.
  bool has_message() const { return unframer_.has_next(); }

 private:
  ClientCall(runtime::Reactor& reactor, h2::ClientStream stream, const CallOptions& options);
  runtime::Task<Result<std::optional<std::string>>> receive_unlimited();
  runtime::Task<Result<void>> read_head();
  Result<std::optional<std::string>> end() const;
  base::Duration left() const;

  runtime::Reactor* reactor_;
  h2::ClientStream stream_;
  Unframer unframer_;
  std::optional<base::MonoTime> deadline_;
  bool has_head_ = false;
};

/// A unary call: one message there, one back.
runtime::Task<Result<std::string>> call(runtime::Reactor& reactor, h2::Connection& connection,
                                        std::string path, std::string request, CallOptions options = {});

}  // namespace weft::http::grpc
