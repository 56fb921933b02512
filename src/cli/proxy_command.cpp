// `proxy`: the data plane's process. Wires xDS and the supervisor's sockets to the proxy, or runs it from a
// file alone.
#include <fcntl.h>
#include <fmt/format.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "base/random.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "provider/process/client.h"
#include "proxy/admin.h"
#include "proxy/proxy.h"
#include "runtime/combine.h"
#include "runtime/log.h"
#include "runtime/process.h"
#include "runtime/scope.h"
#include "runtime/signals.h"
#include "snapshot/config.h"
#include "xds/client.h"

namespace weft::cli {

using provider::process::SupervisorClient;
using runtime::Task;

namespace {

constexpr std::string_view room = "proxy";
/// Requests under way at SIGTERM may take this long; the supervisor waits a little longer.
constexpr auto drain_limit = std::chrono::seconds(4);
constexpr auto supervisor_limit = std::chrono::seconds(10);
/// The node's name on this machine, the first part of node.id.
constexpr const char* proxy_name = "local";

struct Options {
  std::string config;
  std::string admin;
  std::string access_log;
  int workers = 0;
};

/// Listening sockets from the supervisor, which keeps them while a proxy is replaced.
class SupervisorListenerSource final : public proxy::ListenerSource {
 public:
  explicit SupervisorListenerSource(SupervisorClient& supervisor) : supervisor_(supervisor) {}
  Task<runtime::IoResult<runtime::Fd>> open(const base::Address& address) override { return take(address); }

 private:
  Task<runtime::IoResult<runtime::Fd>> take(base::Address address) {
    auto fd = co_await supervisor_.listen(address);
    if (fd) co_return std::move(*fd);
    runtime::log::warning(room, "no socket for {}: {}", address.to_string(), fd.error().detail);
    co_return runtime::io_error(fd.error().kind == provider::ProviderErrorKind::not_found ? EADDRNOTAVAIL
                                                                                          : EIO);
  }
  SupervisorClient& supervisor_;
};

/// What xDS brings goes to the proxy.
class ProxyApplication final : public xds::Application {
 public:
  explicit ProxyApplication(proxy::Proxy& proxy) : proxy_(proxy) {}
  Task<std::expected<void, std::string>> apply(snapshot::SnapshotPtr snapshot) override {
    return proxy_.apply(std::move(snapshot));
  }
  Task<void> remove(snapshot::ContextId context) override { return proxy_.remove(std::move(context)); }

 private:
  proxy::Proxy& proxy_;
};

Task<void> until_set(runtime::Event& event) { co_await event.wait(); }

Task<void> set_at_signal(runtime::Signals& signals, runtime::Event& event) {
  co_await signals.next();
  event.set();
}

Task<void> admin(runtime::Reactor& reactor, proxy::Proxy& proxy, base::Address address,
                 runtime::Event& stop) {
  auto ended = co_await proxy::serve_admin(reactor, proxy, {std::move(address)}, [&stop] { stop.set(); });
  if (!ended) runtime::log::error(room, "no admin interface: {}", ended.error());
}

/// Serves until SIGTERM or POST /drain, then lets requests finish; a second signal cuts them.
Task<void> serve_until_stopped(runtime::Reactor& reactor, proxy::Proxy& proxy, runtime::Signals& signals,
                               std::optional<base::Address> admin_address) {
  runtime::Event stop;
  runtime::Scope scope;
  if (admin_address) scope.spawn(admin(reactor, proxy, *admin_address, stop));
  co_await runtime::first(set_at_signal(signals, stop), until_set(stop));
  runtime::Event hurry;
  co_await runtime::first(proxy.drain(drain_limit), set_at_signal(signals, hurry));
}

proxy::Options proxy_options(const Options& options, const std::string& access_log) {
  proxy::Options result;
  result.workers = options.workers > 0 ? static_cast<unsigned>(options.workers)
                                       : std::max(1U, std::thread::hardware_concurrency());
  result.seed = base::Random::from_entropy().next();
  result.access_log.path = options.access_log.empty() ? access_log : options.access_log;
  return result;
}

Task<Result<void>> run_in_mesh(runtime::Reactor& reactor, runtime::Home home, Options options) {
  runtime::Signals signals(reactor, {SIGTERM, SIGINT});
  const auto lock = runtime::HomeLock::take(home.proxy_lock());
  if (!lock) {
    co_return failure(Exit::failed, fmt::format("this mesh has its proxy: {}", lock.error().detail),
                      home.state(),
                      "the supervisor starts its proxy itself; for a proxy alone give --config FILE");
  }
  auto supervisor =
      co_await SupervisorClient::connect_within(reactor, home.supervisor_socket(), supervisor_limit);
  if (!supervisor) {
    co_return failure(Exit::unavailable, fmt::format("no supervisor: {}", supervisor.error().detail),
                      home.state(),
                      "the supervisor starts its proxy itself; for a proxy alone give --config FILE");
  }
  SupervisorListenerSource source(**supervisor);
  proxy::Proxy proxy(reactor, proxy_options(options, home.logs() + "/access.log"), source);
  ProxyApplication application(proxy);
  xds::Client client(
      reactor,
      {.proxy = proxy_name, .connect = xds::connector(reactor, base::Address::unix_path(home.xds_socket()))},
      application, base::Random::from_entropy());
  runtime::Scope scope;
  scope.spawn(client.run());
  co_await runtime::first(
      serve_until_stopped(reactor, proxy, signals, base::Address::unix_path(home.admin_socket())),
      (*supervisor)->until_gone());
  // What woke this may be the supervisor's connection, which ends with this: let it return first.
  co_await reactor.sleep(base::Duration::zero());
  co_return Result<void>();
}

Task<Result<void>> run_alone(runtime::Reactor& reactor, snapshot::Snapshot config, Options options) {
  runtime::Signals signals(reactor, {SIGTERM, SIGINT});
  proxy::BindingListenerSource source;
  proxy::Proxy proxy(reactor, proxy_options(options, ""), source);
  auto applied = co_await proxy.apply(std::make_shared<const snapshot::Snapshot>(std::move(config)));
  if (!applied) co_return failure(Exit::failed, applied.error(), options.config);
  for (const auto& listener : proxy.listeners()) {
    fmt::print("listening on {} ({})\n", listener.address.to_string(), listener.name);
  }
  std::fflush(stdout);
  std::optional<base::Address> admin_address;
  if (!options.admin.empty()) admin_address = base::Address::parse(options.admin);
  co_await serve_until_stopped(reactor, proxy, signals, admin_address);
  co_return Result<void>();
}

Result<void> run(const Context& context, const Options& options) {
  runtime::raise_file_limit();
  runtime::Reactor reactor;
  if (options.config.empty()) {
    auto home = home_of(context);
    if (!home) return std::unexpected(std::move(home.error()));
    return reactor.block_on(run_in_mesh(reactor, *home, options));
  }
  if (!options.admin.empty()) {
    const auto address = base::Address::parse(options.admin);
    if (!address || !address->is_loopback()) {
      return failure(Exit::usage,
                     fmt::format("--admin={} is {}", options.admin,
                                 address ? "open to other machines, and knows no passwords" : "no address"),
                     {}, "write 127.0.0.1:PORT or unix:/PATH");
    }
  }
  std::ifstream file(options.config, std::ios::binary);
  if (!file) {
    return failure(Exit::usage, fmt::format("cannot read {}", options.config), {}, "name a readable file");
  }
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto config = snapshot::parse_config(text, options.config);
  if (!config) {
    return std::unexpected(
        Failure{Exit::invalid, "the proxy was not started", {}, {}, std::move(config.error())});
  }
  return reactor.block_on(run_alone(reactor, std::move(*config), options));
}

}  // namespace

void add_proxy(Command parent, Context& context) {
  auto options = std::make_shared<Options>();
  auto command =
      parent.add("proxy",
                 "Carry traffic: by a file (--config), or as the mesh's own proxy, which the supervisor "
                 "starts",
                 "weft proxy --config proxy.yaml --workers 2");
  command.option("--config", options->config, "Listeners, routes and clusters as YAML (docs/proxy.md)",
                 {.value = "FILE"});
  command.option("--workers", options->workers, "Worker threads [one for each CPU]", 1, 256);
  command.option("--admin", options->admin,
                 "Admin interface with --config: 127.0.0.1:PORT or unix:/PATH [none]", {.value = "ADDRESS"});
  command.option("--access-log", options->access_log, "A line for each request: FILE, or - for stderr",
                 {.value = "FILE"});
  command.home(context);
  command.run(context, [&context, options] { return run(context, *options); });
}

}  // namespace weft::cli
