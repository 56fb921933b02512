// A gRPC server: handlers by path, over HTTP/2 connections that somebody else accepts.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "http/grpc/framing.h"
#include "http/grpc/status.h"
#include "http/h2/connection.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::http::grpc {

/// One call as its handler sees it. One sender and one receiver at a time.
class ServerCall {
 public:
  /// `unfinished` counts what all calls of a server have received of messages that are not complete, of which
  /// there may be `max_unfinished` bytes.
  ServerCall(h2::ServerStream stream, std::size_t max_message, std::size_t& unfinished,
             std::size_t max_unfinished);
  ServerCall(const ServerCall&) = delete;
  ServerCall& operator=(const ServerCall&) = delete;
  ~ServerCall() { unfinished_ -= own_; }

  const message::RequestHead& request() const { return stream_.head(); }
  /// The client's next message; nothing once it has half-closed; an error if the call is over.
  runtime::Task<Result<std::optional<std::string>>> receive();
  /// Sends the response's head before there is a message, if it was not sent yet.
  void start();
  /// Ends when there is room for a message: so that it is only made when it can go.
  runtime::Task<Result<void>> room();
  /// Sends a message; waits while too much is unsent.
  runtime::Task<Result<void>> send(std::string message);
  /// Ends the call. Once; the server does it with what the handler returns.
  runtime::Task<void> finish(Status status);

 private:
  void count_unfinished();

  h2::ServerStream stream_;
  Unframer unframer_;
  std::size_t& unfinished_;
  std::size_t max_unfinished_;
  std::size_t own_ = 0;  // of unfinished_
  bool responded_ = false;
};

/// Serves a call that lives until the handler's task has ended. It is cancelled when the connection breaks or
/// the call's time limit passes.
using Handler = std::function<runtime::Task<Status>(ServerCall& call)>;

struct ServerOptions {
  /// Most bytes of one message that is received.
  std::size_t max_message = 16 * 1024 * 1024;
  /// Most bytes, over all calls, of messages that are not complete yet; the call that exceeds it ends with
  /// `resource_exhausted`. A few of the largest.
  std::size_t max_unfinished = 64 * 1024 * 1024;
  h2::Limits limits;
};

class Server {
 public:
  explicit Server(runtime::Reactor& reactor, ServerOptions options = {});
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// `path` is "/package.Service/Method". Before the first serve().
  void add(std::string path, Handler handler);
  /// Serves one connection until it ends. The Server must live as long.
  runtime::Task<void> serve(std::unique_ptr<runtime::Stream> transport);
  /// Bytes of messages that are not complete, over all calls.
  std::size_t unfinished() const { return unfinished_; }

 private:
  runtime::Task<void> handle(h2::ServerStream stream);
  runtime::Task<Status> run(ServerCall& call) const;
  /// Sends the status; whoever does not take it in time has its call reset.
  runtime::Task<void> end(ServerCall& call, Status status);

  runtime::Reactor& reactor_;
  ServerOptions options_;
  std::size_t unfinished_ = 0;
  std::map<std::string, Handler, std::less<>> handlers_;
};

/// A handler of a unary call from a function of the request's bytes.
Handler unary(std::function<runtime::Task<Result<std::string>>(std::string request)> function);

}  // namespace weft::http::grpc
