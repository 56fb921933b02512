// Two hops in one process, as in a mesh: the caller's chain and the target's, which it reaches over memory.
// The config files of `weft proxy` know no inbound listeners, so that one of them is made one here.
//   bench_two_hops CALLER.yaml TARGET.yaml ACCESS_LOG
#include <fmt/format.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "proxy/proxy.h"
#include "runtime/process.h"
#include "runtime/signals.h"
#include "snapshot/config.h"

namespace weft::bench {
namespace {

using runtime::Task;

std::shared_ptr<snapshot::Snapshot> read(const std::string& path) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto config = snapshot::parse_config(text, path);
  return config ? std::make_shared<snapshot::Snapshot>(std::move(*config)) : nullptr;
}

Task<int> run(runtime::Reactor& reactor, std::string caller, std::string target, std::string access_log) {
  runtime::Signals signals(reactor, {SIGTERM});
  proxy::BindingListenerSource source;
  proxy::Options options;
  options.access_log.path = std::move(access_log);
  proxy::Proxy proxy(reactor, std::move(options), source);
  const auto near = read(caller);
  const auto far = read(target);
  if (!near || !far) {
    fmt::print(stderr, "bench_two_hops: a configuration is not valid\n");
    co_return 1;
  }
  far->context = {"default", "target"};
  far->listeners.front().direction = snapshot::Direction::inbound;
  for (const auto& snapshot : {far, near}) {
    if (const auto applied = co_await proxy.apply(snapshot); !applied) {
      fmt::print(stderr, "bench_two_hops: {}\n", applied.error());
      co_return 1;
    }
  }
  co_await signals.next();
  co_return 0;
}

}  // namespace
}  // namespace weft::bench

int main(int count, char** words) {
  if (count != 4) return 2;
  weft::runtime::raise_file_limit();
  weft::runtime::Reactor reactor;
  return reactor.block_on(weft::bench::run(reactor, words[1], words[2], words[3]));
}
