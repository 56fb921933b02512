#include "provider/process/state_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "base/random.h"
#include "runtime/combine.h"
#include "runtime/fd.h"
#include "runtime/log.h"

namespace weft::provider::process {
namespace {

std::string new_identity() {
  return fmt::format("{:012x}", base::Random::from_entropy().next() & 0xffff'ffff'ffffU);
}

std::string text_of(const base::Json& json, const char* field) {
  auto found = json.find(field);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<SupervisorState> parse(const std::string& text) {
  auto json = base::Json::parse(text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  SupervisorState state{text_of(json, "identity"), text_of(json, "cgroup"), {}};
  if (state.identity.empty() || state.identity.find('/') != std::string::npos) return std::nullopt;
  state.ports = json.value("ports", base::Json::object());
  return state;
}

runtime::IoResult<void> sync_folder(const std::string& path) {
  const runtime::Fd folder(
      ::open(std::filesystem::path(path).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) return runtime::last_error();
  return {};
}

}  // namespace

SupervisorState load_state(const std::string& path) {
  std::ifstream file(path);
  if (file) {
    if (auto state = parse(std::string(std::istreambuf_iterator<char>(file), {}))) return *state;
    auto aside = path + ".broken";
    ::rename(path.c_str(), aside.c_str());
    runtime::log::warning("supervisor", "{} cannot be read and is kept as {}: printed addresses may change",
                          path, aside);
  }
  return {new_identity(), {}, base::Json::object()};
}

runtime::IoResult<void> save_state(const std::string& path, const SupervisorState& state) {
  auto fresh = path + ".new";
  auto text =
      base::Json{{"identity", state.identity}, {"cgroup", state.cgroup_root}, {"ports", state.ports}}.dump(
          1) +
      "\n";
  const runtime::Fd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd) return runtime::last_error();
  ::fchmod(fd.get(), 0600);  // one that was left there may have been open to others
  auto written = ::write(fd.get(), text.data(), text.size());
  if (written < 0) return runtime::last_error();
  if (static_cast<std::size_t>(written) != text.size()) return runtime::io_error(ENOSPC);
  if (::fsync(fd.get()) != 0 || ::rename(fresh.c_str(), path.c_str()) != 0) return runtime::last_error();
  return sync_folder(path);
}

StateWriter::StateWriter(runtime::Reactor& reactor, std::string path,
                         std::unique_ptr<runtime::WorkThread> thread)
    : reactor_(reactor), path_(std::move(path)), thread_(std::move(thread)) {}

runtime::Task<void> StateWriter::save(SupervisorState state) {
  auto written = std::make_shared<runtime::Event>();
  thread_->run([this, state = std::move(state), written] {
    write(state);
    reactor_.post([written] { written->set(); });
  });
  co_await written->wait();
}

void StateWriter::write(const SupervisorState& state) {
  const auto result = save_state(path_, state);
  const int code = result ? 0 : result.error().code;
  if (code == std::exchange(failed_, code)) return;
  if (code != 0) runtime::log::error("supervisor", "cannot save {}: {}", path_, result.error().message());
  if (code == 0) runtime::log::info("supervisor", "{} is saved again", path_);
}

}  // namespace weft::provider::process
