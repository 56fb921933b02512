// Serves a file of `weft proxy --config` by xDS: what the compiler makes none of yet, to clients of
// default/web. `xds_server SOCKET FILE`; SIGHUP has it read the file again.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "runtime/scope.h"
#include "runtime/signals.h"
#include "runtime/socket.h"
#include "snapshot/config.h"
#include "xds/server.h"

namespace {

using namespace weft;

/// False if the file is none.
bool publish(xds::Server& server, const char* path) {
  std::ifstream file(path);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  auto config = snapshot::parse_config(text, path);
  if (!config) {
    fmt::print(stderr, "{}", base::render(config.error()));
    return false;
  }
  config->context = {"default", "web"};
  for (std::size_t i = 0; i < config->listeners.size(); ++i) {
    auto& listener = config->listeners[i];
    listener.service = listener.name;
    listener.service_ns = "default";
    listener.service_port = 80;
  }
  const auto context = config->context;
  server.publish("local", std::make_shared<const snapshot::Snapshot>(std::move(*config)));
  server.set_contexts("local", {context});
  return true;
}

runtime::Task<void> serve(xds::Server* server, runtime::Acceptor* acceptor) {
  co_await server->serve(*acceptor, [](pid_t) -> runtime::Task<bool> { co_return false; });
}

/// Until SIGTERM.
runtime::Task<void> follow(runtime::Signals* signals, xds::Server* server, const char* path) {
  while (co_await signals->next() == SIGHUP) publish(*server, path);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  runtime::Reactor reactor;
  runtime::Signals signals(reactor, {SIGHUP, SIGTERM});
  auto listening = runtime::listen_on(base::Address::unix_path(argv[1]));
  if (!listening) {
    fmt::print(stderr, "{}: {}\n", argv[1], listening.error().message());
    return 1;
  }
  runtime::Acceptor acceptor(reactor, std::move(*listening));
  xds::Server server(reactor);
  if (!publish(server, argv[2])) return 1;
  runtime::Scope scope;
  scope.spawn(serve(&server, &acceptor));
  reactor.block_on(follow(&signals, &server, argv[2]));
  return 0;
}
