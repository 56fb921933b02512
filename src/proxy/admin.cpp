#include "proxy/admin.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/json.h"
#include "export/prometheus.h"
#include "http/server.h"
#include "proxy/config_dump.h"
#include "proxy/words.h"
#include "runtime/log.h"
#include "runtime/socket.h"

namespace weft::proxy {
namespace {

using base::Json;
using message::Method;

/// What the pages need.
struct Admin {
  Proxy& proxy;
  std::function<void()> on_drain;
};

/// The file of a Unix socket that this process listens on: it goes with this.
class SocketFile {
 public:
  explicit SocketFile(const base::Address& address)
      : path_(address.family() == base::Address::Family::unix_path ? address.path() : std::string()) {}
  SocketFile(const SocketFile&) = delete;
  SocketFile& operator=(const SocketFile&) = delete;
  ~SocketFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }

 private:
  const std::string path_;
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
  const auto samples = co_await admin.proxy.metrics();
  co_await reply_text(exchange, 200, exporter::prometheus_text(samples), exporter::prometheus_content_type);
}

/// The same as lines "name{labels} value", for people and grep.
runtime::Task<void> stats(Admin& admin, http::Exchange& exchange) {
  const auto text = exporter::prometheus_text(co_await admin.proxy.metrics());
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
  auto fd = runtime::listen_on(options.address);
  if (!fd) {
    co_return std::unexpected("the admin interface cannot listen on " + options.address.to_string() + ": " +
                              fd.error().message());
  }
  // What listens leaves no file behind.
  const SocketFile file(options.address);
  Admin admin{proxy, std::move(on_drain)};
  http::Server server(reactor, [&admin](http::Exchange& exchange) { return serve_page(admin, exchange); });
  runtime::Acceptor acceptor(reactor, std::move(*fd));
  const auto served = co_await server.serve(acceptor);
  if (!served) co_return std::unexpected("the admin interface stopped: " + served.error().message());
  co_return std::expected<void, std::string>{};
}

}  // namespace weft::proxy
