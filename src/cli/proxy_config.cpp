#include "cli/proxy_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/hash.h"
#include "cli/files.h"
#include "cli/pem_check.h"
#include "cli/time_limit.h"
#include "runtime/combine.h"
#include "runtime/log.h"
#include "snapshot/config.h"
#include "snapshot/config_codes.h"

namespace weft::cli {
namespace {

constexpr std::string_view room = "proxy";
/// Of all that is read: it holds up all else, signals too; a FIFO may have to wait for its writer.
constexpr auto read_limit = std::chrono::seconds(2);
/// Of a certificate or a bundle of them: the web's own authorities have a quarter of that.
constexpr std::size_t max_pem_bytes = std::size_t{1} << 20;

bool is_of_named_file(const base::Diagnostic& diagnostic) {
  namespace code = snapshot::code;
  return diagnostic.code == code::unreadable || diagnostic.code == code::bad_pem;
}

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
  read_ = {};
  const auto text = read_text(path_, invocation);
  if (!text) return std::unexpected(text.error());
  read_.texts[path_] = base::hash64(*text);
  std::set<std::string> unusable;
  const auto read_pem = [&](const std::string& file) -> std::expected<std::string, snapshot::FileFault> {
    watch(file);
    auto pem = read_text(file == "-" ? "./-" : file, invocation);  // "-" is standard input
    unusable.insert(file);
    if (!pem) return std::unexpected(snapshot::FileFault{pem.error().what, pem.error().mend});
    if (pem->size() > max_pem_bytes) {
      return std::unexpected(snapshot::FileFault{fmt::format("{} is larger than 1 MiB", file),
                                                 "name a file of certificates, or of a key, alone"});
    }
    unusable.erase(file);
    read_.texts[file] = base::hash64(*pem);
    return std::move(*pem);
  };
  std::optional<PemCheck> pems;
  const auto check = [&](const auto& certificate, const auto& key, const auto& ca) {
    if (!pems) pems.emplace();
    auto faults = pems->check(certificate, key, ca);
    for (const auto& fault : faults) {
      using File = snapshot::TlsFault::File;
      unusable.insert((fault.file == File::ca ? ca : fault.file == File::key ? key : certificate).name);
    }
    return faults;
  };
  auto config = snapshot::parse_config(*text, path_, read_pem, check);
  if (!config) {
    const bool is_file_good = std::ranges::all_of(config.error(), is_of_named_file);
    auto what = is_file_good
                    ? fmt::format("{}, which {} names, cannot be used", fmt::join(unusable, ", "), path_)
                    : fmt::format("{} is not valid", path_);
    return std::unexpected(Failure{Exit::invalid, std::move(what), {}, {}, std::move(config.error())});
  }
  if (pems) read_.dates = pems->dates();
  return std::move(*config);
}

std::vector<std::string> ProxyConfig::put_in_force() {
  std::vector<std::string> changed;
  for (const auto& [file, hash] : read_.texts) {
    const auto before = in_force_.texts.find(file);
    if (before == in_force_.texts.end() || before->second != hash) changed.push_back(file);
  }
  in_force_ = std::move(read_);
  warn();
  return changed;
}

void ProxyConfig::warn() {
  warned_ = reactor_.clock().wall();
  for (const auto& warning : in_force_.dates.warnings(warned_)) runtime::log::warning(room, "{}", warning);
}

telemetry::Samples ProxyConfig::samples() const {
  telemetry::Samples samples;
  for (const auto& [result, count] : {std::pair{"ok", reloads_}, std::pair{"refused", refusals_}}) {
    samples.add("weft_config_reloads_total",
                "Times that the config file was loaded again, by what came of it.", telemetry::Kind::counter,
                {{"result", result}}, count);
  }
  in_force_.dates.add_to(samples);
  return samples;
}

runtime::Task<void> ProxyConfig::remind() {
  while (true) {
    const auto now = reactor_.clock().wall();
    const auto due = in_force_.dates.due_after(warned_);
    if (now >= due || now < warned_) {  // also if the clock was set back: all may be otherwise
      warn();
    } else {
      co_await reactor_.sleep(due - now);
    }
  }
}

runtime::Task<void> ProxyConfig::changed() {
  if (!watch_) co_return co_await remind();
  co_await runtime::first(watch_->next(), remind());
}

}  // namespace weft::cli
