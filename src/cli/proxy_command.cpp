// `proxy`: the data plane's process. Wires xDS and the supervisor's sockets to the proxy, or runs it from a
// file alone.
#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <thread>

#include "base/counted.h"
#include "base/random.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/proxy_config.h"
#include "cli/proxy_restart.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "model/values.h"
#include "provider/process/client.h"
#include "proxy/admin.h"
#include "proxy/proxy.h"
#include "runtime/combine.h"
#include "runtime/log.h"
#include "runtime/process.h"
#include "runtime/rotating_file.h"
#include "runtime/scope.h"
#include "runtime/service_manager.h"
#include "runtime/signals.h"
#include "runtime/socket.h"
#include "xds/client.h"

namespace weft::cli {

using provider::process::SupervisorClient;
using runtime::Task;

namespace {

constexpr std::string_view room = "proxy";
/// Requests under way at SIGTERM may take this long; the supervisor waits a little longer.
constexpr auto drain_limit_in_mesh = std::chrono::seconds(4);
/// Of --drain-timeout: longer than most requests take, shorter than what ends a process that does not end
/// (systemd: 90 s, Kubernetes: 30 s).
constexpr const char* drain_default = "10s";
/// Of --old-connections-timeout: what has been open for so long across a restart is opaque, a tunnel or a
/// stream of events, mostly, and its ends make a new one. As long as one may be without a byte.
constexpr const char* old_connections_default = "1h";
/// How often a successor in the mesh looks whether it has been told all.
constexpr auto told_interval = std::chrono::milliseconds(10);
constexpr auto supervisor_limit = std::chrono::seconds(10);
/// The longest pause before it tries again to reach the control plane, which waits for it when it comes back.
constexpr auto connect_pause_most = std::chrono::seconds(1);
/// Of the mesh's own access log, which lies on the disk of its store, twice: some 100,000 requests, of which
/// each hop has two lines.
constexpr std::size_t mesh_access_log_bytes = std::size_t{32} * 1024 * 1024;

struct Options {
  std::string config;
  std::string admin;
  std::string access_log;
  std::string access_log_format;
  std::string access_log_sample;
  std::string access_log_max_size;
  std::string drain_timeout;
  std::string old_connections_timeout;
  std::string restart_socket;
  int workers = 0;
};

/// Listening sockets from the supervisor, which keeps them while a proxy is replaced.
class SupervisorListenerSource final : public proxy::ListenerSource {
 public:
  explicit SupervisorListenerSource(SupervisorClient& supervisor) : supervisor_(supervisor) {}
  /// A listener's name is the key that its address was reserved by.
  Task<runtime::IoResult<runtime::Fd>> open(std::string name, base::Address address) override {
    auto fd = co_await supervisor_.listen(name);
    if (!fd) {
      runtime::log::warning(room, "no socket for {}: {}", name, fd.error().detail);
      co_return runtime::io_error(fd.error().kind == provider::ProviderErrorKind::not_found ? EADDRNOTAVAIL
                                                                                            : EIO);
    }
    // The key has been given back and reserved anew since the Snapshot was made: another one follows.
    if (runtime::local_address(fd->get()) != address) co_return runtime::io_error(EADDRNOTAVAIL);
    co_return std::move(*fd);
  }

 private:
  SupervisorClient& supervisor_;
};

/// Listening sockets for a proxy from a file: of the one before, or its own; notes the one that could not be
/// had.
class FileListenerSource final : public proxy::ListenerSource {
 public:
  struct Fault {
    base::Address address;
    int code = 0;
  };

  /// `passed` come from a service manager. They are kept, for a listener may go and come back.
  FileListenerSource(std::unique_ptr<ProxyStart> start, std::vector<runtime::InheritedSocket> passed)
      : start_(std::move(start)), passed_(std::move(passed)) {}

  Task<runtime::IoResult<runtime::Fd>> open(std::string, base::Address address) override {
    auto fd = take(address);
    if (!fd) fault_ = {address, fd.error().code};
    co_return fd;
  }
  std::optional<Fault> take_fault() { return std::exchange(fault_, std::nullopt); }
  /// Whose socket keeps another one from that address, in words; empty if it is of a process that has nothing
  /// to do with this one.
  std::string in_the_way_of(const base::Address& address, const snapshot::Snapshot& wanted,
                            const proxy::Proxy& proxy) const;
  /// What the one before had is asked for until then.
  std::unique_ptr<ProxyStart> end_start() { return std::move(start_); }
  /// Says which of those that were passed are of no listener: connections wait there in vain.
  void warn_of_unused(const proxy::Proxy& proxy) const {
    const auto open = proxy.listeners();
    for (const auto& socket : passed_) {
      if (std::ranges::find(open, socket.address, &proxy::ListenerStatus::address) != open.end()) continue;
      runtime::log::warning(room, "the service manager passed {} ({}), which no listener of the file has",
                            socket.address.to_string(), socket.name);
    }
  }

 private:
  runtime::IoResult<runtime::Fd> take(const base::Address& address) const {
    const auto passed = std::ranges::find(passed_, address, &runtime::InheritedSocket::address);
    if (passed == passed_.end()) return start_ ? start_->listen(address) : runtime::listen_on(address);
    auto fd = passed->fd.duplicate();
    if (!fd) return runtime::last_error();
    return fd;
  }

  std::unique_ptr<ProxyStart> start_;
  std::vector<runtime::InheritedSocket> passed_;
  std::optional<Fault> fault_;
};

/// Whether sockets cannot listen at both at once: one of them takes what comes to all addresses, of IPv6
/// those of IPv4 too.
bool exclude_each_other(const base::Address& one, const base::Address& other) {
  using Family = base::Address::Family;
  const auto takes = [](const base::Address& all, const base::Address& address) {
    return all.bytes() == base::Address().bytes() &&
           (all.family() == Family::ipv6 || address.family() == all.family());
  };
  const auto is_ip = [](const base::Address& address) { return !address.ip().empty(); };
  return one.port() == other.port() && is_ip(one) && is_ip(other) && (takes(one, other) || takes(other, one));
}

std::string FileListenerSource::in_the_way_of(const base::Address& address, const snapshot::Snapshot& wanted,
                                              const proxy::Proxy& proxy) const {
  constexpr auto all = "addresses of one port, and all of them, cannot be listened on at once: ";
  for (const auto& listener : wanted.listeners) {
    if (listener.address != address && exclude_each_other(listener.address, address))
      return fmt::format("{}leave out this listener or {}", all, listener.address.to_string());
  }
  for (const auto& socket : passed_) {
    if (exclude_each_other(socket.address, address)) {
      return fmt::format("{}the service manager passed {}, write that address", all,
                         socket.address.to_string());
    }
  }
  auto before = start_ ? start_->listening_before() : std::vector<base::Address>();
  for (const auto& listener : proxy.listeners()) before.push_back(listener.address);
  for (const auto& other : before) {
    if (exclude_each_other(other, address)) {
      return fmt::format(
          "{}the proxy that runs has {}; have it load the file without either listener, then write this one",
          all, other.to_string());
    }
  }
  return {};
}

std::string mend_of(const FileListenerSource::Fault& fault) {
  const bool is_unix = fault.address.family() == base::Address::Family::unix_path;
  switch (fault.code) {
    case EADDRINUSE:
      return fmt::format(
          "another process listens there (`ss -{}lp` names it): end that one, or write another address; a "
          "proxy whose place this one is to take is found by its own --config and {} alone",
          is_unix ? "x" : "tn", restart_socket_flag);
    case EACCES:
      return is_unix ? "let this user write to the socket's folder, or write another path"
                     : "ports below 1024 are for root and CAP_NET_BIND_SERVICE: write a higher one";
    case EADDRNOTAVAIL: return "this machine has no such address (`ip addr` lists those it has)";
    case EMFILE: return "raise the limit on descriptors (`ulimit -n`, LimitNOFILE= of a unit)";
    default: return "write an address that this process can listen on";
  }
}

/// What xDS brings goes to the proxy.
class ProxyApplication final : public xds::Application {
 public:
  explicit ProxyApplication(proxy::Proxy& proxy) : proxy_(proxy) {}
  Task<std::expected<void, std::string>> apply(snapshot::SnapshotPtr snapshot) override {
    return proxy_.apply(std::move(snapshot));
  }
  Task<void> drained(snapshot::ContextId context, std::string listener) override {
    return proxy_.drained(std::move(context), std::move(listener));
  }
  Task<void> remove(snapshot::ContextId context) override { return proxy_.remove(std::move(context)); }

 private:
  proxy::Proxy& proxy_;
};

Task<void> until_signal(runtime::Signals& signals) { co_await signals.next(); }

Task<void> at_once() { co_return; }

/// Whether a signal has come already.
Task<bool> is_signalled(runtime::Signals& signals) {
  co_return co_await runtime::first(until_signal(signals), at_once()) == 0;
}

Task<void> until_told(runtime::Signals& signals, runtime::Event& stop) {
  co_await runtime::first(until_signal(signals), until(stop));
}

Task<void> admin(runtime::Reactor& reactor, proxy::Proxy& proxy, proxy::AdminOptions options,
                 std::shared_ptr<runtime::Event> stop) {
  auto ended = co_await proxy::serve_admin(reactor, proxy, std::move(options), [stop] { stop->set(); });
  if (!ended) runtime::log::error(room, "no admin interface: {}", ended.error());
}

/// Serves until SIGTERM or POST /drain, then lets requests finish; a second signal cuts them. Once a
/// successor has taken over, what is under way may take its time, and SIGTERM ends it as it does otherwise.
Task<void> serve_until_stopped(runtime::Reactor& reactor, proxy::Proxy& proxy, runtime::Signals& signals,
                               ProxyLife& life, std::optional<proxy::AdminOptions> admin_options,
                               base::Duration drain_limit) {
  const auto stop = std::make_shared<runtime::Event>();
  if (admin_options) life.newest().spawn(admin(reactor, proxy, *admin_options, stop));
  co_await runtime::first(until_told(signals, *stop), until(life.superseded()));
  bool is_done = false;
  if (life.is_superseded()) {
    is_done = co_await runtime::first(life.drain_as_old(), until_signal(signals)) == 0;
  } else {
    runtime::notify_manager("STOPPING=1\nSTATUS=draining");
  }
  if (!is_done) {
    life.stop(drain_limit);
    co_await runtime::first(proxy.drain(drain_limit), until_signal(signals));
  }
  co_await life.finish();
}

/// Bytes in the words of Kubernetes, "64Mi".
Result<std::size_t> parse_size(const std::string& text) {
  const auto bytes = model::parse_quantity(text);
  // Beyond it a number of bytes is not exact any more.
  constexpr double most = std::size_t{1} << 53;
  if (bytes && *bytes >= 1 && *bytes <= most) return static_cast<std::size_t>(*bytes);
  return failure(Exit::usage, fmt::format("--access-log-max-size={} is no size of a file", text), {},
                 "write it as 64Mi or 1Gi");
}

/// Flags that would do nothing are refused: whoever gives one believes that it does something.
Result<void> check_flags(const Options& options) {
  const bool is_alone = !options.config.empty();
  const auto refuse = [](std::string_view flag, std::string_view other) {
    return failure(Exit::usage, fmt::format("{} does nothing without {}", flag, other), {},
                   fmt::format("give {} too, or leave {} out", other, flag));
  };
  if (!is_alone && !options.admin.empty()) return refuse("--admin", "--config");
  if (!is_alone && !options.drain_timeout.empty()) return refuse("--drain-timeout", "--config");
  if (!is_alone && !options.old_connections_timeout.empty())
    return refuse("--old-connections-timeout", "--config");
  if (!is_alone && !options.restart_socket.empty()) return refuse(restart_socket_flag, "--config");
  // The mesh's own proxy always has an access log.
  for (const auto& [flag, value] : {std::pair{"--access-log-format", &options.access_log_format},
                                    std::pair{"--access-log-sample", &options.access_log_sample},
                                    std::pair{"--access-log-max-size", &options.access_log_max_size}}) {
    if (is_alone && options.access_log.empty() && !value->empty()) return refuse(flag, "--access-log");
  }
  if (options.access_log == "-" && !options.access_log_max_size.empty())
    return refuse("--access-log-max-size", "--access-log=FILE");
  return {};
}

/// Fails if the file that was asked for cannot be written: better at the start than without a log. A FIFO may
/// get its reader later.
Result<void> check_access_log(const exporter::AccessLogOptions& log) {
  if (log.path.empty() || log.path == "-") return {};
  runtime::RotatingFile file(log.path, log.file);
  if (file.open() || errno == ENXIO) return {};
  return failure(Exit::failed,
                 fmt::format("cannot open the access log: {}", runtime::IoError{errno}.message()), log.path,
                 "name a file that this user may write, in a folder that there is, or - for stderr");
}

Result<proxy::Options> proxy_options(const Options& options) {
  proxy::Options result;
  const std::string sample = options.access_log_sample.empty() ? "1" : options.access_log_sample;
  const auto [end, error] =
      std::from_chars(sample.data(), sample.data() + sample.size(), result.access_log.sample);
  if (error != std::errc{} || end != sample.data() + sample.size() ||
      !(result.access_log.sample >= 0 && result.access_log.sample <= 1)) {
    return failure(Exit::usage, fmt::format("--access-log-sample={} is no share of requests", sample), {},
                   "write a number from 0 to 1, such as 0.01");
  }
  if (options.access_log_format == "json") result.access_log.format = exporter::AccessLogFormat::json;
  result.workers = options.workers > 0 ? static_cast<unsigned>(options.workers)
                                       : std::max(1U, std::thread::hardware_concurrency());
  result.seed = base::Random::from_entropy().next();
  result.access_log.path = options.access_log;
  if (!options.access_log_max_size.empty()) {
    const auto bytes = parse_size(options.access_log_max_size);
    if (!bytes) return std::unexpected(bytes.error());
    result.access_log.file.file_bytes = *bytes;
  }
  if (const auto checked = check_access_log(result.access_log); !checked)
    return std::unexpected(checked.error());
  return result;
}

/// Until all that the control plane has for this proxy is in force, or was refused.
Task<void> until_told_all(runtime::Reactor& reactor, xds::Client& client) {
  const auto has_come = [](const auto& context) { return context.applied || !context.refused.empty(); };
  while (true) {
    const auto status = client.status();
    if (status.placed && std::ranges::all_of(status.contexts, has_come)) co_return;
    co_await reactor.sleep(told_interval);
  }
}

/// Beside one that serves (`is_beside`), it takes over once it serves the same.
Task<void> serve_in_mesh(runtime::Reactor& reactor, proxy::Proxy& proxy, runtime::Signals& signals,
                         ProxyLife& life, xds::Client& client, std::unique_ptr<ProxyStart> start,
                         SupervisorClient& supervisor, bool is_beside, runtime::Home home) {
  const bool relieves = start->has_predecessor();
  if ((relieves || is_beside) &&
      co_await runtime::first(until_told_all(reactor, client), until_signal(signals)) == 1)
    co_return;
  // Before it takes over: if it dies from here on, it is started again, and takes over from whom there is
  // then.
  (void)co_await supervisor.serves(relieves);
  co_await life.begin(std::move(start), {});
  auto admin = life.admin_options(base::Address::unix_path(home.admin_socket()));
  // Beside the proxy that it follows, or is followed by.
  admin.is_shared = true;
  co_await serve_until_stopped(reactor, proxy, signals, life, std::move(admin), drain_limit_in_mesh);
}

Task<Result<void>> run_in_mesh(runtime::Reactor& reactor, runtime::Home home, Options options) {
  runtime::Signals signals(reactor, {SIGTERM, SIGINT});
  const auto refuse = [&home](Exit exit, std::string why) {
    return failure(exit, std::move(why), home.state(),
                   "the supervisor starts its proxy itself; for a proxy alone give --config FILE");
  };
  auto supervisor =
      co_await SupervisorClient::connect_within(reactor, home.supervisor_socket(), supervisor_limit);
  if (!supervisor)
    co_return refuse(Exit::unavailable, fmt::format("no supervisor: {}", supervisor.error().detail));
  const auto status = co_await runtime::within(reactor, supervisor_limit, (*supervisor)->status());
  if (!status || !*status) co_return refuse(Exit::unavailable, "the supervisor does not answer");
  // It knows whom it has started: also between two lives of its proxy nobody else takes that one's place.
  if (const auto own = (*status)->proxy.pid; own != ::getpid()) {
    co_return refuse(Exit::failed, own > 0 ? fmt::format("this mesh has its proxy: process {}", own)
                                           : "this mesh's proxy is being started again");
  }
  auto start = co_await ProxyStart::begin(reactor, home.proxy_socket());
  if (!start) co_return std::unexpected(std::move(start.error()));
  SupervisorListenerSource source(**supervisor);
  auto settings = proxy_options(options);
  if (!settings) co_return std::unexpected(std::move(settings.error()));
  auto& log = settings->access_log;
  if (log.path.empty()) {
    log.path = home.logs() + "/access.log";
    log.file = {.file_bytes = std::min(mesh_access_log_bytes, log.file.file_bytes), .is_private = true};
  }
  proxy::Proxy proxy(reactor, std::move(*settings), source);
  ProxyApplication application(proxy);
  xds::Client client(reactor,
                     {.proxy = std::string(provider::local_node),
                      .connect = xds::connector(reactor, base::Address::unix_path(home.xds_socket())),
                      .backoff_max = connect_pause_most},
                     application, base::Random::from_entropy());
  ProxyLife life(reactor, proxy, *parse_timeout(old_connections_default, {}));
  life.newest().spawn(client.run());
  const bool is_beside = !(*status)->proxy.before.empty();
  co_await runtime::first(
      serve_in_mesh(reactor, proxy, signals, life, client, std::move(*start), **supervisor, is_beside, home),
      (*supervisor)->until_gone());
  // What woke this may be the supervisor's connection, which ends with this: let it return first.
  co_await reactor.sleep(base::Duration::zero());
  co_return Result<void>();
}

/// Puts the file's configuration in force in place of the one that is. What ProxyConfig::put_in_force()
/// gives.
Task<Result<std::vector<std::string>>> load(proxy::Proxy& proxy, FileListenerSource& source,
                                            ProxyConfig& file) {
  auto config = file.read();
  if (!config) co_return std::unexpected(std::move(config.error()));
  const auto snapshot = std::make_shared<const snapshot::Snapshot>(std::move(*config));
  const auto applied = co_await proxy.apply(snapshot);
  ::malloc_trim(0);  // what reading took is many times what is kept
  if (applied) co_return file.put_in_force();
  const auto fault = source.take_fault();
  if (!fault) co_return failure(Exit::failed, applied.error(), file.path());
  const auto listener = std::ranges::find(snapshot->listeners, fault->address, &snapshot::Listener::address);
  auto mend =
      fault->code == EADDRINUSE ? source.in_the_way_of(fault->address, *snapshot, proxy) : std::string();
  if (mend.empty()) mend = mend_of(*fault);
  co_return failure(Exit::failed, applied.error(), listener->origin.name, std::move(mend));
}

void tell_ready(const proxy::Proxy& proxy) {
  runtime::notify_manager(fmt::format("READY=1\nMAINPID={}\nSTATUS=serving {}", ::getpid(),
                                      base::counted(proxy.listeners().size(), "listener")));
}

/// Loads the file whenever it, or a file that it names, changes or SIGHUP comes, and opens the access log
/// anew then. What is wrong with them is said, and the configuration in force stays.
Task<void> keep_loaded(proxy::Proxy& proxy, FileListenerSource& source, runtime::Signals& hangups,
                       ProxyLife& life, ProxyConfig& file) {
  while (true) {
    co_await runtime::first(until_signal(hangups), file.changed());
    runtime::notify_reloading();
    life.reopen_access_logs();
    const auto held = co_await life.exclusive();
    const auto loaded = co_await load(proxy, source, file);
    file.count_reload(loaded.has_value());
    if (!loaded) {
      tell(render(loaded.error(), wants_colour(STDERR_FILENO)));
      runtime::log::error(room, "{} was not reloaded: what was in force stays", file.path());
      runtime::notify_manager(fmt::format("READY=1\nSTATUS=not reloaded, what was in force stays: {}",
                                          base::printable(loaded.error().what)));
    } else {
      source.warn_of_unused(proxy);
      runtime::log::info(
          room, "reloaded {}: {}", file.path(),
          loaded->empty() ? "no file has changed" : fmt::format("changed: {}", fmt::join(*loaded, ", ")));
      tell_ready(proxy);
    }
  }
}

/// How long what is under way may take once nothing new is taken.
struct EndLimits {
  /// After SIGTERM.
  base::Duration drain;
  /// Beside a successor.
  base::Duration old;
};

Task<Result<void>> run_alone(runtime::Reactor& reactor, proxy::Options settings, Options options,
                             EndLimits limits, std::vector<runtime::InheritedSocket> passed,
                             std::optional<std::string> socket) {
  // Before the proxy's threads, which inherit what is blocked.
  runtime::Signals signals(reactor, {SIGTERM, SIGINT});
  runtime::Signals hangups(reactor, {SIGHUP});
  auto start = co_await ProxyStart::begin(reactor, std::move(socket));
  if (!start) co_return std::unexpected(std::move(start.error()));
  FileListenerSource source(std::move(*start), std::move(passed));
  ProxyConfig file(reactor, options.config);
  settings.other_metrics = [&file] { return file.samples(); };
  proxy::Proxy proxy(reactor, std::move(settings), source);
  ProxyLife life(reactor, proxy, limits.old);
  auto loaded = co_await load(proxy, source, file);
  // What woke this is the proxy's own task, which ends with it: let it return first.
  co_await reactor.sleep(base::Duration::zero());
  if (!loaded) co_return std::unexpected(loaded.error());
  // Told to end while it began: the one that it would replace goes on.
  if (co_await is_signalled(signals)) co_return Result<void>();
  const auto admin_address = options.admin.empty() ? base::Address() : *base::Address::parse(options.admin);
  co_await life.begin(source.end_start(), admin_address);
  for (const auto& listener : proxy.listeners()) {
    print(
        fmt::format("listening on {} ({})\n", listener.address.to_string(), base::printable(listener.name)));
  }
  std::optional<proxy::AdminOptions> admin;
  if (!options.admin.empty()) admin = life.admin_options(admin_address);
  life.newest().spawn(keep_loaded(proxy, source, hangups, life, file));
  source.warn_of_unused(proxy);
  tell_ready(proxy);
  co_await serve_until_stopped(reactor, proxy, signals, life, std::move(admin), limits.drain);
  co_return Result<void>();
}

Result<void> run(const Invocation& invocation, const Options& options) {
  if (const auto checked = check_flags(options); !checked) return checked;
  runtime::raise_file_limit();
  auto passed = runtime::inherited_sockets();
  runtime::Reactor reactor;
  if (options.config.empty()) {
    auto home = home_of(invocation);
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
  const auto drain_limit =
      parse_timeout(options.drain_timeout.empty() ? drain_default : options.drain_timeout, "--drain-timeout");
  if (!drain_limit) return std::unexpected(drain_limit.error());
  const auto old_limit = parse_timeout(
      options.old_connections_timeout.empty() ? old_connections_default : options.old_connections_timeout,
      "--old-connections-timeout");
  if (!old_limit) return std::unexpected(old_limit.error());
  auto settings = proxy_options(options);
  if (!settings) return std::unexpected(std::move(settings.error()));
  auto socket = restart_socket(options.config, options.restart_socket);
  if (!socket) return std::unexpected(std::move(socket.error()));
  return reactor.block_on(run_alone(reactor, std::move(*settings), options,
                                    {.drain = *drain_limit, .old = *old_limit}, std::move(passed),
                                    std::move(*socket)));
}

}  // namespace

void add_proxy(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  auto command =
      parent.add("proxy",
                 "Carry traffic: by a file (--config), or as the mesh's own proxy, which the supervisor "
                 "starts",
                 "weft proxy --config proxy.yaml --workers 2\n"
                 "weft proxy --config proxy.yaml --admin unix:/tmp/admin.sock --access-log -");
  command.option("--config", options->config, "Listeners, routes and clusters as YAML (docs/proxy.md)",
                 {.value = "FILE"});
  command.option("--workers", options->workers, "Worker threads [one for each CPU]", 1, 256);
  command.option("--admin", options->admin,
                 "Admin interface with --config: 127.0.0.1:PORT or unix:/PATH [none]", {.value = "ADDRESS"});
  command.option("--access-log", options->access_log, "A line for each request: FILE, or - for stderr",
                 {.value = "FILE"});
  command.option("--access-log-format", options->access_log_format, "text or json [text]",
                 {.choices = {"text", "json"}});
  command.option("--access-log-sample", options->access_log_sample,
                 "Share of the requests without failure that get a line, 0 to 1 [1]", {.value = "SHARE"});
  command.option("--access-log-max-size", options->access_log_max_size,
                 "At this size FILE becomes FILE.1, in place of the one before it [none]", {.value = "SIZE"});
  command.option("--drain-timeout", options->drain_timeout,
                 fmt::format("With --config: how long requests may take after SIGTERM [{}]", drain_default),
                 {.value = "DURATION"});
  command.option(
      "--old-connections-timeout", options->old_connections_timeout,
      fmt::format("With --config: how long connections may stay once this command, run again, has taken "
                  "over [{}]",
                  old_connections_default),
      {.value = "DURATION"});
  command.option(restart_socket_flag, options->restart_socket,
                 "With --config: where this command, run again, finds the proxy that runs [by user and FILE]",
                 {.value = "PATH"});
  command.home(invocation);
  command.run(invocation, [&invocation, options] { return run(invocation, *options); });
  command.may_have_subcommand();
  add_proxy_status(command, invocation);
  add_proxy_bootstrap(command, invocation);
}

}  // namespace weft::cli
