#include "cli/proxy_config.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "cli/files.h"
#include "cli/pem_check.h"
#include "cli/time_limit.h"
#include "runtime/combine.h"
#include "runtime/log.h"
#include "snapshot/config.h"

namespace weft::cli {
namespace {

constexpr std::string_view room = "proxy";
/// Of all that is read: it holds up all else, signals too; a FIFO may have to wait for its writer.
constexpr auto read_limit = std::chrono::seconds(2);
/// Of a certificate or a bundle of them: the web's own authorities have a quarter of that.
constexpr std::size_t max_pem_bytes = std::size_t{1} << 20;

}  // namespace

void ProxyConfig::begin_watch() {
  watch_.reset();
  auto made = runtime::FileWatch::make(reactor_);
  if (made) {
    watch_ = std::move(*made);
    watch(path_);
  } else {
    runtime::log::warning(room, "cannot watch {}: {}; SIGHUP loads it", path_, made.error().message());
  }
}

void ProxyConfig::watch(const std::string& file) {
  if (!watch_) return;
  if (const auto added = watch_->add(file); !added)
    runtime::log::warning(room, "cannot watch {}: {}; SIGHUP loads it", file, added.error().message());
}

Result<snapshot::Snapshot> ProxyConfig::read() {
  const Invocation invocation{.limit = TimeLimit{read_limit, base::system_clock().now() + read_limit}};
  begin_watch();
  const auto text = read_text(path_, invocation);
  if (!text) return std::unexpected(text.error());
  const auto read_pem = [&](const std::string& file) -> std::expected<std::string, snapshot::FileFault> {
    watch(file);
    auto pem = read_text(file == "-" ? "./-" : file, invocation);  // "-" is standard input
    if (!pem) return std::unexpected(snapshot::FileFault{pem.error().what, pem.error().mend});
    if (pem->size() > max_pem_bytes) {
      return std::unexpected(snapshot::FileFault{fmt::format("{} is larger than 1 MiB", file),
                                                 "name a file of certificates, or of a key, alone"});
    }
    return std::move(*pem);
  };
  std::optional<PemCheck> pems;
  auto config = snapshot::parse_config(*text, path_, read_pem, [&](const auto&... files) {
    if (!pems) pems.emplace(base::system_clock().wall());
    return pems->check(files...);
  });
  if (!config) {
    return std::unexpected(
        Failure{Exit::invalid, fmt::format("{} is not valid", path_), {}, {}, std::move(config.error())});
  }
  if (pems) {
    for (const auto& warning : pems->warnings()) runtime::log::warning(room, "{}", warning);
  }
  return std::move(*config);
}

runtime::Task<void> ProxyConfig::changed() {
  if (watch_) co_return co_await watch_->next();
  runtime::Readiness never;
  co_await runtime::Wait(never);
}

}  // namespace weft::cli
