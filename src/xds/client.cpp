#include "xds/client.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "http/grpc/client.h"
#include "runtime/combine.h"
#include "runtime/log.h"
#include "runtime/scope.h"
#include "xds/assembly.h"
#include "xds/backoff.h"
#include "xds/names.h"
#include "xds/serialize.h"

namespace weft::xds {
namespace {

using http::grpc::ClientCall;
using runtime::Task;
using snapshot::ContextId;
using Request = envoy::service::discovery::v3::DeltaDiscoveryRequest;
using Response = envoy::service::discovery::v3::DeltaDiscoveryResponse;

constexpr std::string_view delta_method =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
constexpr base::Duration connect_limit = std::chrono::seconds(2);
constexpr base::Duration forever = std::chrono::years(1);

/// A response that has not been answered yet.
struct Unanswered {
  std::string type_url;
  std::string nonce;
};

Task<bool> send(ClientCall& call, Request request) {
  co_return (co_await call.send(serialize(request))).has_value();
}

/// Answers one response: an ACK, or with text a NACK.
Task<bool> answer(ClientCall& call, Unanswered response, std::string refusal) {
  Request request;
  request.set_type_url(response.type_url);
  request.set_response_nonce(response.nonce);
  if (!refusal.empty()) {
    request.mutable_error_detail()->set_code(static_cast<int>(http::grpc::Code::invalid_argument));
    request.mutable_error_detail()->set_message(std::move(refusal));
  }
  return send(call, std::move(request));
}

/// One context: what outlives connections, and the stream of the present one.
struct Context {
  ContextId id;
  Assembly assembly;
  std::string refused;
  /// Whether the application was given any of it: it may have taken what it could not say so of any more.
  bool was_applied = false;
  /// Cancelled when the context goes, before the rest of this does.
  runtime::Scope stream;
};

/// A context's stream while it is open.
struct ContextStream {
  ClientCall call;
  std::map<Type, Assembly::Names> subscribed;
  std::vector<Unanswered> unanswered;
  /// The application refused the last one, as it may not do again: a port becomes free, a descriptor.
  bool may_go_well_later = false;
  /// The listeners that drain, as they are, each waited for by a task; one that changes meanwhile is told of
  /// anew.
  std::map<std::string, std::shared_ptr<const snapshot::Listener>> draining;
  /// Those of them that are done but not told yet.
  std::vector<std::string> drained;
  runtime::Event has_drained;
  runtime::Scope drains;
};

}  // namespace

struct Client::State : std::enable_shared_from_this<Client::State> {
  State(runtime::Reactor& on, Options with, Application& app, base::Random numbers)
      : reactor(on), options(std::move(with)), application(app), random(numbers) {}

  Task<void> run();
  Task<void> serve(std::unique_ptr<runtime::Stream> transport);
  Task<void> follow_placements(http::h2::Connection& connection);
  Task<void> take_placements(http::h2::Connection& connection, const Response& response,
                             std::string* refusal);
  Task<void> remove(ContextId id);

  Task<void> keep_following(Context& context, http::h2::Connection& connection);
  /// Serves one stream of the context until it ends; whether the control plane took it up.
  Task<bool> follow(Context& context, http::h2::Connection& connection);
  Task<bool> subscribe(Context& context, ContextStream& stream);
  Task<bool> subscribe_to_references(Context& context, ContextStream& stream);
  void take(Context& context, const Response& response);
  Task<bool> settle(Context& context, ContextStream& stream);
  /// Waits for the listeners that drain from now on.
  void follow_drains(Context& context, ContextStream& stream);
  Task<void> follow_drain(ContextId id, std::string listener, ContextStream& stream);
  static Task<bool> tell_drained(ContextStream& stream);

  runtime::Reactor& reactor;
  Options options;
  Application& application;
  base::Random random;
  std::map<ContextId, std::unique_ptr<Context>> contexts;
  Ignored ignored;
  bool connected = false;
  bool placed = false;
  std::uint64_t attempts = 0;
};

Task<void> Client::State::run() {
  Backoff backoff(options.backoff_first, options.backoff_max);
  for (;;) {
    ++attempts;
    auto transport = co_await options.connect();
    if (transport) co_await serve(std::move(*transport));
    if (std::exchange(connected, false)) {
      backoff.reset();
      runtime::log::info("xds", "the connection to the control plane ended; what it said stays in force");
    }
    co_await reactor.sleep(backoff.next(random));
  }
}

Task<void> Client::State::serve(std::unique_ptr<runtime::Stream> transport) {
  auto connection = http::h2::Connection::client(reactor, std::move(transport));
  // Streams are cancelled before their connection goes, whatever ends this.
  struct Streams {
    State& state;
    ~Streams() {
      for (auto& [id, context] : state.contexts) context->stream.cancel();
    }
  } streams{*this};
  for (auto& [id, context] : contexts) context->stream.spawn(keep_following(*context, connection));
  co_await follow_placements(connection);
}

Task<void> Client::State::follow_placements(http::h2::Connection& connection) {
  auto call = ClientCall::open(reactor, connection, std::string(delta_method), {});
  if (!call) co_return;
  Request request;
  request.mutable_node()->set_id(options.proxy);
  request.mutable_node()->set_user_agent_name("weft");
  request.set_type_url(std::string(type_url(Type::placement)));
  for (const auto& [id, context] : contexts) {
    auto resource = encode_placement(id);
    (*request.mutable_initial_resource_versions())[resource.name] = resource.version;
  }
  if (!co_await send(*call, std::move(request)) || !co_await call->started()) co_return;
  connected = true;
  for (;;) {
    auto message = co_await call->receive();
    Response response;
    if (!message || !*message || !response.ParseFromString(**message)) co_return;
    std::string refusal;
    co_await take_placements(connection, response, &refusal);
    if (!co_await answer(*call, {response.type_url(), response.nonce()}, std::move(refusal))) co_return;
  }
}

Task<void> Client::State::take_placements(http::h2::Connection& connection, const Response& response,
                                          std::string* refusal) {
  for (const auto& resource : response.resources()) {
    auto id = decode_placement(resource.resource().value(), ignored);
    if (!id) {
      *refusal = id.error().detail;
      co_return;
    }
    auto& context = contexts[*id];
    if (context) continue;
    context = std::make_unique<Context>();
    context->id = *id;
    context->stream.spawn(keep_following(*context, connection));
  }
  for (const auto& name : response.removed_resources()) {
    for (const auto& [id, context] : contexts) {
      if (id.to_string() != name) continue;
      co_await remove(id);
      break;
    }
  }
  placed = true;
}

Task<void> Client::State::remove(ContextId id) {
  auto context = std::move(contexts.extract(id).mapped());
  context->stream.cancel();
  if (context->was_applied) co_await application.remove(id);
}

Task<void> Client::State::keep_following(Context& context, http::h2::Connection& connection) {
  Backoff backoff(options.backoff_first, options.backoff_max);
  while (connection.is_open()) {
    if (co_await follow(context, connection)) backoff.reset();
    co_await reactor.sleep(backoff.next(random));
  }
}

Task<bool> Client::State::follow(Context& context, http::h2::Connection& connection) {
  auto call = ClientCall::open(reactor, connection, std::string(delta_method), {});
  if (!call) co_return false;
  ContextStream stream{.call = std::move(*call)};
  context.assembly.forget_changes();
  if (!co_await subscribe(context, stream)) co_return false;
  if (!co_await stream.call.started()) co_return false;
  follow_drains(context, stream);
  for (;;) {
    if (!co_await tell_drained(stream)) co_return true;
    auto next = co_await runtime::unless(
        until(stream.has_drained),
        runtime::within(reactor, stream.may_go_well_later ? options.retry_refused : forever,
                        stream.call.receive()));
    if (!next) {
      // What woke this is a task of the stream, which may end with this: let it return first.
      co_await reactor.sleep(base::Duration::zero());
      continue;
    }
    auto& received = *next;
    // The control plane does not send again what was refused: a new stream asks for it.
    if (!received) co_return true;
    auto& message = *received;
    if (!message)
      runtime::log::debug("xds", "stream of {}: {}", context.id.to_string(), message.error().to_string());
    Response response;
    if (!message || !*message || !response.ParseFromString(**message)) co_return true;
    if (!type_of(response.type_url())) {
      auto refusal = fmt::format("resources of type {} were not asked for", response.type_url());
      if (!co_await answer(stream.call, {response.type_url(), response.nonce()}, std::move(refusal)))
        co_return true;
      continue;
    }
    take(context, response);
    stream.unanswered.push_back({response.type_url(), response.nonce()});
    if (!co_await subscribe_to_references(context, stream)) co_return true;
    // What is already here may belong together: one Snapshot is made of all of it.
    if (stream.call.has_message() || !context.assembly.is_complete()) continue;
    if (!co_await settle(context, stream)) co_return true;
  }
}

Task<bool> Client::State::subscribe(Context& context, ContextStream& stream) {
  bool is_first = true;
  for (auto type : snapshot_types) {
    Request request;
    bool by_name = type == Type::endpoints || type == Type::routes;
    const auto& names = context.assembly.wanted(type);
    if (by_name && names.empty()) continue;
    for (const auto& name : names) request.add_resource_names_subscribe(name);
    for (auto& [name, version] : context.assembly.versions(type)) {
      (*request.mutable_initial_resource_versions())[name] = version;
    }
    stream.subscribed[type] = names;
    request.set_type_url(std::string(type_url(type)));
    if (std::exchange(is_first, false)) {
      request.mutable_node()->set_id(options.proxy + '/' + context.id.to_string());
      request.mutable_node()->add_client_features(std::string(feature_drain));
      request.mutable_node()->set_user_agent_name("weft");
    }
    if (!co_await send(stream.call, std::move(request))) co_return false;
  }
  co_return true;
}

Task<bool> Client::State::subscribe_to_references(Context& context, ContextStream& stream) {
  for (auto type : {Type::endpoints, Type::routes}) {
    const auto& wanted = context.assembly.wanted(type);
    auto& subscribed = stream.subscribed[type];
    if (wanted == subscribed) continue;
    Request request;
    request.set_type_url(std::string(type_url(type)));
    for (const auto& name : wanted) {
      if (!subscribed.contains(name)) request.add_resource_names_subscribe(name);
    }
    for (const auto& name : subscribed) {
      if (!wanted.contains(name)) request.add_resource_names_unsubscribe(name);
    }
    subscribed = wanted;
    if (!co_await send(stream.call, std::move(request))) co_return false;
  }
  co_return true;
}

void Client::State::take(Context& context, const Response& response) {
  const auto type = type_of(response.type_url());
  for (const auto& resource : response.resources()) {
    context.assembly.put(*type, resource.name(), resource.version(), resource.resource().value(), ignored);
  }
  for (const auto& name : response.removed_resources()) context.assembly.remove(*type, name);
  context.assembly.heard(*type);
}

Task<bool> Client::State::settle(Context& context, ContextStream& stream) {
  auto& assembly = context.assembly;
  std::string refusal;
  stream.may_go_well_later = false;
  if (assembly.is_changed()) {
    auto next = assembly.build();
    if (next) {
      context.was_applied = true;
      auto applied = co_await application.apply(*next);
      if (applied) {
        assembly.accept(std::move(*next));
        follow_drains(context, stream);
      } else {
        refusal = applied.error().empty() ? "the proxy refused it" : std::move(applied.error());
        stream.may_go_well_later = true;
      }
    } else {
      refusal = std::move(next.error().detail);
    }
  }
  if (!refusal.empty() && refusal != context.refused) {
    runtime::log::warning("xds", "refused the configuration of {}: {}", context.id.to_string(), refusal);
  }
  context.refused = refusal;
  for (auto& response : std::exchange(stream.unanswered, {})) {
    if (!co_await answer(stream.call, std::move(response), refusal)) co_return false;
  }
  co_return co_await subscribe_to_references(context, stream);
}

void Client::State::follow_drains(Context& context, ContextStream& stream) {
  const auto& snapshot = context.assembly.in_force();
  if (!snapshot) return;
  std::set<std::string> begun;
  decltype(stream.draining) draining;
  for (std::size_t i = 0; i < snapshot->listeners.size(); ++i) {
    const auto listener = snapshot->listeners.shared(i);
    if (!listener->drain) continue;
    const auto known = stream.draining.find(listener->name);
    if (known == stream.draining.end() || known->second != listener) begun.insert(listener->name);
    draining.emplace(listener->name, listener);
  }
  stream.draining = std::move(draining);
  for (const auto& name : begun) stream.drains.spawn(follow_drain(context.id, name, stream));
}

Task<void> Client::State::follow_drain(ContextId id, std::string listener, ContextStream& stream) {
  co_await application.drained(std::move(id), listener);
  if (!stream.draining.contains(listener)) co_return;  // it drains no more
  stream.drained.push_back(std::move(listener));
  stream.has_drained.set();
}

Task<bool> Client::State::tell_drained(ContextStream& stream) {
  stream.has_drained.clear();
  if (stream.drained.empty()) co_return true;
  Request request;
  request.set_type_url(std::string(type_url(Type::listener)));
  for (auto& name : std::exchange(stream.drained, {}))
    request.add_resource_names_unsubscribe(std::move(name));
  co_return co_await send(stream.call, std::move(request));
}

Client::Client(runtime::Reactor& reactor, Options options, Application& application, base::Random random)
    : state_(std::make_shared<State>(reactor, std::move(options), application, random)) {}
Client::~Client() = default;

Task<void> Client::run() {
  auto state = state_;
  co_await state->run();
}

Client::Status Client::status() const {
  Status status;
  status.connected = state_->connected;
  status.placed = state_->placed;
  status.attempts = state_->attempts;
  status.ignored_fields = state_->ignored.count;
  status.ignored_examples = state_->ignored.examples;
  for (const auto& [id, context] : state_->contexts) {
    status.contexts.push_back({id, context->assembly.in_force(), context->refused});
  }
  return status;
}

std::function<Task<runtime::IoResult<std::unique_ptr<runtime::Stream>>>()> connector(
    runtime::Reactor& reactor, base::Address address) {
  return [&reactor, address] { return runtime::connect(reactor, address, connect_limit); };
}

}  // namespace weft::xds
