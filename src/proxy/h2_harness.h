// Flows with HTTP/2 on one side or both, between a client and backends that a test drives.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/h2/connection.h"
#include "proxy/flow_harness.h"

namespace weft::proxy::testing {

using http::h2::ClientStream;
using http::h2::Connection;
using http::h2::RequestStream;
using http::h2::ServerStream;
using message::Content;
using message::Headers;
using message::Method;
using snapshot::ClusterProtocol;

class H2Flow : public Flow {
 protected:
  void serve(ClusterProtocol protocol, std::vector<int> endpoints = {1}) {
    auto snapshot = simple(std::move(endpoints));
    snapshot.clusters[0].protocol = protocol;
    apply(std::move(snapshot));
  }
  Connection client(http::h2::Limits limits = {}) {
    auto made = Connection::client(reactor_, dial(), limits);
    settle();
    return made;
  }
  static message::RequestHead head(Method method = Method::get, Headers headers = {{"host", "web"}}) {
    message::RequestHead head;
    head.method = method;
    head.headers = std::move(headers);
    return head;
  }
  ClientStream ask(Connection& connection, const message::RequestHead& request, const Content& content = {}) {
    auto stream = std::move(*connection.open());
    stream.put_head(request, content);
    settle();
    return stream;
  }
  void write(RequestStream& stream, std::string_view piece, bool last, const Headers* trailers = nullptr) {
    writers_.spawn(send(&stream, std::string(piece), last, trailers));
    settle();
  }
  static runtime::Task<void> send(RequestStream* stream, std::string piece, bool last,
                                  const Headers* trailers) {
    (void)co_await stream->write(piece, last, trailers);
  }
  /// What can be had of the body now.
  std::string read(RequestStream& stream) {
    std::string body;
    settle();
    for (auto piece = stream.try_body(); piece && *piece && !(*piece)->empty(); piece = stream.try_body()) {
      body += **piece;
      settle();
    }
    return body;
  }
  int status(ClientStream& stream) {
    settle();
    const auto read = stream.try_head();
    return read && *read ? stream.head().status : 0;
  }
  /// The request that came next to that session of backend `number`.
  ServerStream called(int number = 1, std::size_t session = 0) {
    settle();
    return std::move(*backend(number).sessions.at(session).try_accept());
  }
  /// An answer without a body.
  void answer(ServerStream& stream, int code, Headers headers = {}) {
    message::ResponseHead response;
    response.status = code;
    response.headers = std::move(headers);
    stream.put_head(response, {});
    settle();
  }
  void begin_answer(ServerStream& stream, int code, Headers headers = {}) {
    message::ResponseHead response;
    response.status = code;
    response.headers = std::move(headers);
    stream.put_head(response, Content::unknown());
    settle();
  }
  static Headers call_headers() {
    return {{"host", "web"}, {"content-type", "application/grpc"}, {"te", "trailers"}};
  }

  runtime::Scope writers_;
};

}  // namespace weft::proxy::testing
