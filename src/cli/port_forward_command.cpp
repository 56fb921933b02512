// `port-forward`: ports of this machine lead to an application's own, past the mesh, as kubectl's has it.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <charconv>

#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/target.h"
#include "model/resource.h"
#include "runtime/combine.h"
#include "runtime/signals.h"
#include "runtime/socket.h"

namespace weft::cli {

using base::Json;
using runtime::Task;

namespace {

/// How long a connection waits for an instance that is ready while one is being replaced.
constexpr auto replacement_patience = std::chrono::seconds(10);
constexpr auto look_pause = std::chrono::milliseconds(50);
constexpr auto connect_limit = std::chrono::seconds(5);
/// What one read takes: as much as a socket usually holds.
constexpr std::size_t copy_bytes = std::size_t{64} * 1024;

struct Options {
  std::string target;
  std::vector<std::string> ports;
  std::string address = "127.0.0.1";
};

/// "8080:80": from which port of this machine to which of the target's.
struct Pair {
  std::optional<std::uint16_t> local;  // nothing: the same as the instance's; 0: any that is free
  std::string remote;                  // a number or a name
};

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return port;
}

Result<Pair> parse_pair(const std::string& text) {
  const auto colon = text.find(':');
  const auto remote = colon == std::string::npos ? text : text.substr(colon + 1);
  const auto first = text.substr(0, colon);
  const auto local = first.empty() ? std::uint16_t{0} : parse_port(first);
  const bool has_local = colon != std::string::npos;
  if ((has_local && !local) || remote.empty() || remote == "0" || remote.find(':') != std::string::npos) {
    return failure(Exit::usage, fmt::format("\"{}\" names no ports", text), {},
                   "write REMOTE, LOCAL:REMOTE, or :REMOTE for any local port that is free: 8080:80");
  }
  return Pair{local, remote};
}

/// The entry of `ports` (of a Service or a container) with that name, or that number in `field`.
const Json* find_port(const Json& ports, const std::string& wanted, const char* field) {
  const auto found = std::ranges::find_if(ports, [&](const Json& port) {
    return text_at(port, "/name") == wanted || std::to_string(number_at(port, field)) == wanted;
  });
  return found == ports.end() ? nullptr : &*found;
}

/// What of a container is meant by a port of the target: a Service's leads to its targetPort.
Result<std::string> container_port(const Json& target, const std::string& remote) {
  if (text_at(target, "/kind") != "Service") return remote;
  const auto* port = find_port(value_at(target, "/spec/ports"), remote, "/port");
  if (port == nullptr) {
    return failure(Exit::not_found, fmt::format("{} has no port {}", kind_and_name(target), remote), {},
                   fmt::format("see which it has: weft describe {}", kind_and_name(target)));
  }
  const auto name = text_at(*port, "/targetPort");
  return name.empty() ? std::to_string(number_at(*port, "/targetPort", number_at(*port, "/port"))) : name;
}

/// Where a connection goes.
struct Place {
  std::string pod;
  std::string port;  // the containerPort's number
  base::Address address;
};

/// The target of all connections, and the instance that they go to as long as it is ready.
class Way {
 public:
  Way(runtime::Reactor& reactor, Api& api, const model::Kind& kind, std::string ns, std::string name)
      : reactor_(reactor), api_(api), kind_(kind), ns_(std::move(ns)), name_(std::move(name)) {}

  /// A ready instance's own address for that port of the target.
  Task<Result<Place>> find(std::string remote) {
    auto target = co_await api_.get(rest_path(kind_, ns_, name_));
    if (!target) co_return std::unexpected(std::move(target.error()));
    auto pods = co_await api_.list(rest_path(*model::find_kind("Pod"), ns_));
    if (!pods) co_return std::unexpected(std::move(pods.error()));
    std::erase_if(*pods, [&](const Json& pod) { return !is_instance_of(pod, *target) || !is_serving(pod); });
    if (pods->empty()) {
      co_return failure(Exit::failed, fmt::format("{} has no instance that is ready", kind_and_name(*target)),
                        {}, fmt::format("see why: weft describe {}", kind_and_name(*target)));
    }
    auto chosen = std::ranges::find(*pods, pod_, name_of);
    if (chosen == pods->end()) chosen = pods->begin();
    const auto wanted = container_port(*target, remote);
    if (!wanted) co_return std::unexpected(wanted.error());
    const auto* port = find_port(value_at(*chosen, "/spec/containers/0/ports"), *wanted, "/containerPort");
    const auto address =
        port == nullptr ? std::nullopt
                        : base::Address::parse_ip(text_at(*port, "/hostIP"),
                                                  static_cast<std::uint16_t>(number_at(*port, "/hostPort")));
    if (!address) {
      co_return failure(Exit::not_found,
                        fmt::format("{} has no containerPort {}", kind_and_name(*chosen), *wanted), {},
                        fmt::format("see which it has: weft describe {}", kind_and_name(*chosen)));
    }
    if (const auto before = std::exchange(pod_, name_of(*chosen)); !before.empty() && before != pod_)
      tell(fmt::format("pod/{} is gone: goes on with pod/{}\n", before, pod_));
    co_return Place{pod_, std::to_string(number_at(*port, "/containerPort")), *address};
  }

  /// The same, while one instance is replaced by another.
  Task<Result<Place>> find_patiently(std::string remote) {
    const auto end = reactor_.clock().now() + replacement_patience;
    for (;;) {
      auto place = co_await find(remote);
      if (place || place.error().exit != Exit::failed || reactor_.clock().now() >= end) co_return place;
      co_await reactor_.sleep(look_pause);
    }
  }

 private:
  runtime::Reactor& reactor_;
  Api& api_;
  const model::Kind& kind_;
  std::string ns_;
  std::string name_;
  std::string pod_;
};

/// All bytes of one direction; its end is passed on, and what breaks it breaks the other one too.
Task<void> carry(runtime::Stream& from, runtime::Stream& to) {
  std::vector<char> buffer(copy_bytes);
  for (;;) {
    const auto got = co_await runtime::read(from, buffer);
    if (!got) co_return to.fail(got.error());
    if (*got == 0) co_return to.shutdown_write();
    iovec part{buffer.data(), *got};
    if (const auto written = co_await runtime::write(to, {&part, 1}); !written)
      co_return from.fail(written.error());
  }
}

Task<void> serve_one(runtime::Reactor& reactor, Way& way, std::string remote,
                     std::unique_ptr<runtime::Stream> client) {
  const auto place = co_await way.find_patiently(std::move(remote));
  if (!place) {
    tell(render(place.error(), false));
    co_return;
  }
  const auto upstream = co_await runtime::connect(reactor, place->address, connect_limit);
  if (!upstream) {
    tell(fmt::format("pod/{} at {}: {}\n", place->pod, place->address.to_string(),
                     upstream.error().message()));
    co_return;
  }
  std::vector<Task<void>> both;
  both.push_back(carry(*client, **upstream));
  both.push_back(carry(**upstream, *client));
  co_await runtime::all(std::move(both));
}

/// Takes connections at one local port until it is cancelled.
Task<void> serve(runtime::Reactor& reactor, Way& way, std::string remote, runtime::Fd listening) {
  runtime::Acceptor acceptor(reactor, std::move(listening));
  const auto port = acceptor.address().port();
  runtime::Scope connections;
  while (auto client = co_await acceptor.accept()) {
    print(fmt::format("Handling connection for {}\n", port));
    connections.spawn(serve_one(reactor, way, remote, std::move(*client)));
  }
}

Result<runtime::Fd> listen_at(const std::string& ip, std::uint16_t port) {
  const auto address = base::Address::parse_ip(ip == "localhost" ? "127.0.0.1" : ip, port);
  if (!address) {
    return failure(Exit::usage, fmt::format("\"{}\" is no IP address", ip), {},
                   "write one of this machine, such as 127.0.0.1 or 0.0.0.0");
  }
  auto listening = runtime::listen_on(*address);
  if (listening) return std::move(*listening);
  return failure(Exit::failed,
                 fmt::format("cannot listen on {}: {}", address->to_string(), listening.error().message()),
                 {}, "name another local port, or none for any that is free: 8081:80, :80");
}

Result<void> run(const Invocation& invocation, const Options& options) {
  auto targets = parse_targets({options.target}, "Pod");
  if (!targets) return std::unexpected(std::move(targets.error()));
  std::vector<Pair> pairs;
  for (const auto& text : options.ports) {
    auto pair = parse_pair(text);
    if (!pair) return std::unexpected(std::move(pair.error()));
    pairs.push_back(std::move(*pair));
  }
  auto session = open_session(invocation, Absent::fail);
  if (!session) return std::unexpected(std::move(session.error()));
  auto& [reactor, home, api] = **session;
  runtime::Signals signals(reactor, {SIGINT, SIGTERM});
  Way way(reactor, api, *targets->front().kind, invocation.ns, targets->front().name);
  std::vector<Task<void>> all;
  for (const auto& pair : pairs) {
    auto place = reactor.block_on(way.find(pair.remote));
    if (!place) return std::unexpected(std::move(place.error()));
    auto listening = listen_at(options.address, pair.local ? *pair.local : *parse_port(place->port));
    if (!listening) return std::unexpected(std::move(listening.error()));
    print(fmt::format("Forwarding from {} -> {}\n", runtime::local_address(listening->get()).to_string(),
                      place->port));
    all.push_back(serve(reactor, way, pair.remote, std::move(*listening)));
  }
  reactor.block_on(runtime::unless(runtime::all(std::move(all)), signals.next()));
  return {};
}

}  // namespace

void add_port_forward(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  auto command = parent.add("port-forward", "Lead local ports to those of an instance, past the mesh",
                            "weft port-forward service/web 8080:80\n"
                            "weft port-forward deployment/db 5432\n"
                            "weft port-forward pod/web-x2b9q :http :admin");
  command.option("TARGET", options->target, "KIND/NAME of a service, deployment, job or pod; NAME of a pod",
                 {.required = true});
  command.option("PORTS", options->ports,
                 "[LOCAL:]REMOTE, where REMOTE is a port of the target by number or name, and LOCAL the same "
                 "number unless it says another; :REMOTE takes any that is free",
                 {.required = true});
  command.option("--address", options->address, "Where to listen", {.value = "IP"});
  command.ns(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options] { return run(invocation, *options); });
}

}  // namespace weft::cli
