// The service of the examples: answers every request with JSON that says who it is, what it received, and
// what its dependencies answered. Behaves by its environment; see `usage`.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "google/protobuf/wrappers.pb.h"
#include "http/client.h"
#include "http/grpc/client.h"
#include "http/grpc/server.h"
#include "http/server.h"
#include "runtime/combine.h"
#include "runtime/log.h"
#include "runtime/reactor.h"
#include "runtime/signals.h"
#include "runtime/socket.h"

namespace {

using namespace weft;
using base::Json;
using runtime::Task;

/// A dependency may take this long to answer.
constexpr auto call_limit = std::chrono::seconds(15);
/// Requests under way at SIGTERM may take this long.
constexpr auto stop_limit = std::chrono::seconds(10);

/// rpc Tell(google.protobuf.Empty) returns (google.protobuf.StringValue), which is the JSON.
constexpr const char* grpc_method = "/example.Service/Tell";
/// Of a call of gRPC that is received.
constexpr std::size_t max_message = 4096;

constexpr std::string_view usage = R"(usage: example-web-service [--database | --grpc | --migrate TABLE...]

Listens on $HOST:$PORT (127.0.0.1:8080) and answers every request with JSON: service, instance, method, path, headers
as received, and under calls the answers of the dependencies that it calls by their $<NAME>_URL; by gRPC, if a port of
theirs is called grpc. GET /healthz answers at once. With ?delay=DURATION an answer takes that long.

  --database          plays a database: PUT /tables/NAME makes a table, GET / lists them; calls nobody
  --grpc              speaks HTTP/2 alone, and answers calls of example.Service/Tell by gRPC
  --migrate TABLE...  makes these tables in the database at $DB_URL and ends with exit code 0
)";

std::string variable(const char* name, std::string otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? std::move(otherwise) : std::string(value);
}

struct Dependency {
  std::string name;
  std::unique_ptr<http::Client> client;
  bool is_grpc = false;
};

/// CART_URL=http://127.0.0.1:20001 is the dependency "cart".
std::vector<Dependency> dependencies(runtime::Reactor& reactor) {
  constexpr std::string_view scheme = "http://";
  std::vector<Dependency> found;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find("_URL=");
    if (equals == 0 || equals == std::string_view::npos || text.find('=') != equals + 4) continue;
    auto url = text.substr(equals + 5);
    if (!url.starts_with(scheme)) continue;
    url.remove_prefix(scheme.size());
    auto address = base::Address::parse(url.substr(0, url.find('/')));
    if (!address) continue;
    std::string name(text.substr(0, equals));
    std::ranges::transform(name, name.begin(), [](char c) {
      if (c == '_') return '-';
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    http::ClientOptions options{.host = name, .max_idle = 64};
    const auto grpc_port = std::string(text.substr(0, equals)) + "_SERVICE_PORT_GRPC";
    found.push_back({std::move(name), std::make_unique<http::Client>(reactor, *address, options),
                     std::getenv(grpc_port.c_str()) != nullptr});
  }
  std::ranges::sort(found, {}, &Dependency::name);
  return found;
}

class Service {
 public:
  Service(runtime::Reactor& reactor, bool database) : reactor_(reactor), database_(database) {
    // <home>/<namespace>/<instance>, and the instance is <workload>-<suffix>.
    instance_ = variable("WEFT_INSTANCE", fmt::format("example-{}", getpid()));
    instance_.erase(0, instance_.rfind('/') + 1);
    name_ = variable("SERVICE_NAME", instance_.substr(0, instance_.rfind('-')));
    if (!database_) dependencies_ = dependencies(reactor);
  }

  Task<void> answer(http::Exchange& exchange) {
    if (exchange.path() == "/healthz") {
      co_await exchange.reply(200, {{"content-type", "text/plain"}}, "ok\n");
      co_return;
    }
    if (auto delay = base::parse_duration(exchange.query("delay").value_or("0s")))
      co_await reactor_.sleep(*delay);
    int status = 200;
    if (database_ && exchange.method() == message::Method::put) {
      if (exchange.segments().size() == 2) tables_.insert(exchange.segments()[1]);
      status = 201;
    }
    const auto body = co_await tell(exchange.head(), &status);
    co_await exchange.reply(status, {{"content-type", "application/json"}}, body.dump() + "\n");
  }

  Task<void> answer(http::h2::ServerStream stream) {
    if (http::grpc::is_grpc(stream.head().headers.find("content-type").value_or(""))) {
      std::size_t unfinished = 0;
      http::grpc::ServerCall call(std::move(stream), max_message, unfinished, max_message);
      co_await call.finish(co_await answer_call(call));
      co_return;
    }
    message::ResponseHead head;
    const auto body = co_await tell(stream.head(), &head.status);
    head.headers = {{"content-type", "application/json"}};
    stream.put_head(head, message::Content::unknown());
    const auto text = body.dump() + "\n";
    (void)co_await stream.write(text, true);  // a client that is gone wants nothing
  }

 private:
  Task<http::grpc::Status> answer_call(http::grpc::ServerCall& call) {
    using http::grpc::Code;
    if (call.request().path() != grpc_method)
      co_return http::grpc::Status{Code::unimplemented, "no such method"};
    auto request = co_await call.receive();
    if (!request) co_return std::move(request.error());
    int status = 200;
    const auto body = co_await tell(call.request(), &status);
    if (status != 200) co_return http::grpc::Status{Code::unavailable, body.dump()};
    google::protobuf::StringValue answer;
    answer.set_value(body.dump());
    auto sent = co_await call.send(answer.SerializeAsString());
    co_return sent ? http::grpc::Status{} : std::move(sent.error());
  }

  /// What it is asked, and what the dependencies answer; `status` becomes 502 if one of them does not.
  Task<Json> tell(const message::RequestHead& head, int* status) {
    Json body = about(head);
    std::vector<Task<void>> calls;
    Json& answers = body["calls"];
    for (auto& dependency : dependencies_) {
      calls.push_back(dependency.is_grpc
                          ? call_grpc(reactor_, dependency.client->address(), passed_on(head),
                                      &answers[dependency.name], status)
                          : call(*dependency.client, passed_on(head), &answers[dependency.name], status));
    }
    co_await runtime::all(std::move(calls));
    co_return body;
  }

  Json about(const message::RequestHead& head) const {
    Json body = {{"service", name_},    {"instance", instance_},     {"method", head.method_text()},
                 {"path", head.path()}, {"headers", Json::object()}, {"calls", Json::object()}};
    for (const auto& field : head.headers) {
      std::string name(field.name);
      std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
      Json& value = body["headers"][name];
      value = value.is_null() ? std::string(field.value)
                              : value.get<std::string>() + ", " + std::string(field.value);
    }
    if (database_) body["tables"] = tables_;
    return body;
  }

  /// What belongs to the request as a whole and so goes along to the dependencies.
  static message::Headers passed_on(const message::RequestHead& head) {
    message::Headers headers{{"accept", "application/json"}};
    for (const char* name : {"traceparent", "tracestate", "x-request-id"}) {
      if (auto value = head.headers.find(name)) headers.add(name, *value);
    }
    return headers;
  }

  static Task<void> call_grpc(runtime::Reactor& reactor, base::Address address, message::Headers headers,
                              Json* answer, int* status) {
    auto stream = co_await runtime::connect(reactor, address, call_limit);
    http::grpc::Result<std::string> received =
        std::unexpected(http::grpc::Status{http::grpc::Code::unavailable, "no connection"});
    if (stream) {
      auto connection = http::h2::Connection::client(reactor, std::move(*stream));
      received = co_await http::grpc::call(reactor, connection, grpc_method, {},
                                           {.metadata = std::move(headers), .timeout = call_limit});
    }
    google::protobuf::StringValue text;
    if (received && text.ParseFromString(*received)) {
      *answer = Json::parse(text.value(), nullptr, false);
      if (answer->is_object()) co_return;
    }
    *answer = {
        {"error", received ? "no answer of " + std::string(grpc_method) : received.error().to_string()}};
    *status = 502;
  }

  static Task<void> call(http::Client& client, message::Headers headers, Json* answer, int* status) {
    http::Request request;
    request.headers = std::move(headers);
    auto response = co_await client.send(std::move(request), call_limit);
    if (!response) {
      *answer = {{"error", response.error().detail}};
      *status = 502;
      co_return;
    }
    *answer = Json::parse(response->body, nullptr, false);
    if (answer->is_discarded() || !answer->is_object()) *answer = {{"body", response->body}};
    if (response->status >= 400) {
      (*answer)["error"] = fmt::format("status {}", response->status);
      *status = 502;
    }
  }

  runtime::Reactor& reactor_;
  bool database_;
  std::string name_;
  std::string instance_;
  std::vector<Dependency> dependencies_;
  std::set<std::string> tables_;
};

Task<void> accept(http::Server& server, runtime::Acceptor& acceptor) {
  auto ended = co_await server.serve(acceptor);
  if (!ended) fmt::print(stderr, "cannot accept: {}\n", ended.error().message());
}

Task<void> serve_connection(runtime::Reactor& reactor, Service& service,
                            std::unique_ptr<runtime::Stream> stream) {
  auto connection = http::h2::Connection::server(reactor, std::move(stream));
  runtime::Scope requests;
  while (auto request = co_await connection.accept()) requests.spawn(service.answer(std::move(*request)));
}

Task<void> accept_http2(runtime::Reactor& reactor, Service& service, runtime::Acceptor& acceptor) {
  runtime::Scope connections;
  for (;;) {
    auto stream = co_await acceptor.accept();
    if (!stream) {
      fmt::print(stderr, "cannot accept: {}\n", stream.error().message());
      co_return;
    }
    connections.spawn(serve_connection(reactor, service, std::move(*stream)));
  }
}

enum class Plays : std::uint8_t { service, database, grpc };

Task<int> serve(runtime::Reactor& reactor, Plays what) {
  runtime::Signals signals(reactor, {SIGTERM, SIGINT});
  auto address = base::Address::parse(variable("HOST", "127.0.0.1") + ":" + variable("PORT", "8080"));
  if (!address) {
    fmt::print(stderr, "HOST and PORT are no address\n");
    co_return 2;
  }
  auto listening = runtime::listen_on(*address);
  if (!listening) {
    fmt::print(stderr, "cannot listen on {}: {}\n", address->to_string(), listening.error().message());
    co_return 1;
  }
  Service service(reactor, what == Plays::database);
  http::Server server(reactor, [&service](http::Exchange& exchange) { return service.answer(exchange); });
  runtime::Acceptor acceptor(reactor, std::move(*listening));
  runtime::Scope scope;
  scope.spawn(what == Plays::grpc ? accept_http2(reactor, service, acceptor) : accept(server, acceptor));
  fmt::print("listening on {}\n", address->to_string());
  std::fflush(stdout);
  co_await signals.next();
  co_await server.stop(stop_limit);
  fmt::print("stopped\n");
  co_return 0;
}

Task<int> migrate(runtime::Reactor& reactor, std::vector<std::string> tables) {
  auto found = dependencies(reactor);
  auto database = std::ranges::find(found, "db", &Dependency::name);
  if (database == found.end()) {
    fmt::print(stderr, "DB_URL is not set: declare the service db under dependsOn\n");
    co_return 2;
  }
  for (const auto& table : tables) {
    http::Request request;
    request.method = message::Method::put;
    request.target = "/tables/" + table;
    auto response = co_await database->client->send(std::move(request), call_limit);
    if (!response || response->status != 201) {
      fmt::print(stderr, "table {}: {}\n", table,
                 response ? fmt::format("status {}", response->status) : response.error().detail);
      co_return 1;
    }
    fmt::print("table {} is there\n", table);
  }
  co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  runtime::Reactor reactor;
  if (words.empty()) return reactor.block_on(serve(reactor, Plays::service));
  if (words.size() == 1 && words.front() == "--database")
    return reactor.block_on(serve(reactor, Plays::database));
  if (words.size() == 1 && words.front() == "--grpc") return reactor.block_on(serve(reactor, Plays::grpc));
  if (words.front() == "--migrate" && words.size() > 1) {
    return reactor.block_on(migrate(reactor, {words.begin() + 1, words.end()}));
  }
  const bool help = words.front() == "--help";
  std::fputs(std::string(usage).c_str(), help ? stdout : stderr);
  return help ? 0 : 2;
}
