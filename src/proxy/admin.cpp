#include "proxy/admin.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/json.h"
#include "export/prometheus.h"
#include "http/server.h"
#include "proxy/config_dump.h"
#include "proxy/words.h"
#include "runtime/log.h"
#include "runtime/socket.h"

namespace weft::proxy {
namespace {

namespace fs = std::filesystem;
using base::Json;
using message::Method;

/// What the pages need.
struct Admin {
  Proxy& proxy;
  const AdminOptions& options;
  std::function<void()> on_drain;

  runtime::Task<telemetry::Samples> metrics() {
    auto samples = co_await proxy.metrics();
    if (options.counted_before) samples.merge(co_await options.counted_before());
    co_return samples;
  }
};

/// A file that goes with this: that of a Unix socket which this process listens on, and no other.
class SocketFile {
 public:
  explicit SocketFile(const base::Address& address, const AdminOptions& options)
      : path_(address.family() == base::Address::Family::unix_path ? address.path() : std::string()),
        options_(options) {}
  SocketFile(const SocketFile&) = delete;
  SocketFile& operator=(const SocketFile&) = delete;
  ~SocketFile() {
    if (options_.is_handed_on && options_.is_handed_on()) return;
    if (!path_.empty()) ::unlink(path_.c_str());
  }

 private:
  const std::string path_;
  const AdminOptions& options_;
};

/// Names of this process's own beside a socket's path: "admin.123.sock" beside "admin.sock".
class OwnNames {
 public:
  explicit OwnNames(const fs::path& path)
      : folder_(path.parent_path()), prefix_(path.stem().string() + "."), extension_(path.extension()) {}
  fs::path socket() const { return folder_ / (prefix_ + std::to_string(::getpid()) + extension_); }
  /// A link on its way to its place.
  fs::path link() const { return folder_ / (prefix_ + std::to_string(::getpid()) + ".link"); }
  /// Clears what processes left there that were killed.
  void clear_dead() const {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder_, error)) {
      const auto name = entry.path().filename().string();
      if (!name.starts_with(prefix_)) continue;
      pid_t pid = 0;
      const auto* const end = name.data() + name.size();
      const auto [rest, fault] = std::from_chars(name.data() + prefix_.size(), end, pid);
      if (fault != std::errc{} || rest == end || *rest != '.' || pid <= 0) continue;
      if (::kill(pid, 0) != 0 && errno == ESRCH) ::unlink(entry.path().c_str());
    }
  }

 private:
  fs::path folder_;
  std::string prefix_;
  std::string extension_;
};

/// A link at a path to a file beside it, which replaces what is there. It goes with this, unless it leads
/// elsewhere by then.
class Link {
 public:
  Link(fs::path path, const OwnNames& names) : path_(std::move(path)), to_(names.socket().filename()) {
    std::error_code ignored;
    fs::remove(names.link(), ignored);
    fs::create_symlink(to_, names.link(), error_);
    if (!error_) fs::rename(names.link(), path_, error_);
  }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() {
    std::error_code ignored;
    if (fs::read_symlink(path_, ignored) == to_) fs::remove(path_, ignored);
  }
  const std::error_code& error() const { return error_; }

 private:
  const fs::path path_;
  const fs::path to_;
  std::error_code error_;
};

runtime::Task<void> reply_text(http::Exchange& exchange, int status, std::string text,
                               std::string_view type = "text/plain; charset=utf-8") {
  co_await exchange.reply(status, {{"content-type", type}}, std::move(text));
}

runtime::Task<void> reply_json(http::Exchange& exchange, const Json& json) {
  return reply_text(exchange, 200, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n",
                    "application/json");
}

runtime::Task<void> ready(Admin& admin, http::Exchange& exchange) {
  if (admin.proxy.is_draining()) return reply_text(exchange, 503, "draining\n");
  return reply_text(exchange, 200, "ready\n");
}

runtime::Task<void> prometheus(Admin& admin, http::Exchange& exchange) {
  const auto samples = co_await admin.metrics();
  co_await reply_text(exchange, 200, exporter::prometheus_text(samples), exporter::prometheus_content_type);
}

/// The same as lines "name{labels} value", for people and grep.
runtime::Task<void> stats(Admin& admin, http::Exchange& exchange) {
  const auto text = exporter::prometheus_text(co_await admin.metrics());
  const auto wanted = exchange.query("filter").value_or("");
  std::string lines;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size() - 1) + 1;
    const auto line = std::string_view(text).substr(at, end - at);
    if (!line.starts_with('#') && line.find(wanted) != std::string_view::npos) lines += line;
    at = end;
  }
  co_await reply_text(exchange, 200, std::move(lines));
}

runtime::Task<void> config_dump(Admin& admin, http::Exchange& exchange) {
  auto contexts = Json::array();
  for (const auto& snapshot : admin.proxy.snapshots()) contexts.push_back(to_json(*snapshot));
  return reply_json(exchange, {{"contexts", std::move(contexts)}});
}

runtime::Task<void> clusters(Admin& admin, http::Exchange& exchange) {
  auto list = Json::array();
  for (const auto& status : co_await admin.proxy.endpoints()) {
    list.push_back({{"context", status.context.to_string()},
                    {"cluster", status.cluster},
                    {"address", status.address.to_string()},
                    {"instance", status.instance},
                    {"health", word(status.health)},
                    {"connections", status.connections},
                    {"idleConnections", status.idle_connections},
                    {"activeRequests", status.active_requests},
                    {"requests", status.requests}});
  }
  co_await reply_json(exchange, {{"endpoints", std::move(list)}});
}

runtime::Task<void> listeners(Admin& admin, http::Exchange& exchange) {
  auto list = Json::array();
  for (const auto& status : admin.proxy.listeners()) {
    list.push_back({{"context", status.context.to_string()},
                    {"name", status.name},
                    {"address", status.address.to_string()}});
  }
  return reply_json(exchange, {{"listeners", std::move(list)}});
}

runtime::Task<void> memory(Admin&, http::Exchange& exchange) {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  statm >> size >> resident;
  const auto heap = ::mallinfo2();
  return reply_json(exchange,
                    {{"residentBytes", resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))},
                     {"heapUsedBytes", heap.uordblks},
                     {"heapFreeBytes", heap.fordblks}});
}

runtime::Task<void> drain(Admin& admin, http::Exchange& exchange) {
  co_await reply_text(exchange, 200, "draining\n");
  if (admin.on_drain) admin.on_drain();
}

runtime::Task<void> logging(Admin&, http::Exchange& exchange) {
  const auto level = runtime::log::parse_level(exchange.query("level").value_or(""));
  if (!level) return reply_text(exchange, 400, "give level=debug, info, warning or error\n");
  runtime::log::set_level(*level);
  return reply_text(exchange, 200, "ok\n");
}

struct Page {
  std::string_view path;
  Method method;
  runtime::Task<void> (*serve)(Admin&, http::Exchange&);
};

constexpr Page pages[] = {
    {"/ready", Method::get, ready},
    {"/stats", Method::get, stats},
    {"/stats/prometheus", Method::get, prometheus},
    {"/config_dump", Method::get, config_dump},
    {"/clusters", Method::get, clusters},
    {"/listeners", Method::get, listeners},
    {"/memory", Method::get, memory},
    {"/drain", Method::post, drain},
    {"/logging", Method::post, logging},
};

runtime::Task<void> serve_page(Admin& admin, http::Exchange& exchange) {
  std::string paths;
  for (const auto& page : pages) {
    if (page.path == exchange.path()) {
      if (page.method == exchange.method()) return page.serve(admin, exchange);
      return reply_text(exchange, 405, "use " + std::string(message::to_string(page.method)) + "\n");
    }
    paths += page.path;
    paths += '\n';
  }
  return reply_text(exchange, 404, "no such page; there are\n" + paths);
}

}  // namespace

runtime::Task<std::expected<void, std::string>> serve_admin(runtime::Reactor& reactor, Proxy& proxy,
                                                            AdminOptions options,
                                                            std::function<void()> on_drain) {
  const auto cannot = [&options](const std::string& why) {
    return std::unexpected("the admin interface cannot listen on " + options.address.to_string() + ": " +
                           why);
  };
  auto address = options.address;
  std::optional<OwnNames> names;
  if (options.is_shared) {
    names.emplace(options.address.path());
    names->clear_dead();
    address = base::Address::unix_path(names->socket());
  }
  auto fd = options.listen(address);
  if (!fd) co_return cannot(fd.error().message());
  // What listens leaves no file behind.
  const SocketFile file(address, options);
  std::optional<Link> link;
  if (names) link.emplace(options.address.path(), *names);
  if (link && link->error()) co_return cannot(link->error().message());
  Admin admin{proxy, options, std::move(on_drain)};
  http::Server server(reactor, [&admin](http::Exchange& exchange) { return serve_page(admin, exchange); });
  runtime::Acceptor acceptor(reactor, std::move(*fd));
  const auto served = co_await server.serve(acceptor);
  if (!served) co_return std::unexpected("the admin interface stopped: " + served.error().message());
  co_return std::expected<void, std::string>{};
}

}  // namespace weft::proxy
