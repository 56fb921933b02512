#include "cli/proxy_restart.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "base/hash.h"
#include "runtime/combine.h"
#include "runtime/log.h"
#include "runtime/socket.h"

namespace weft::cli {

using runtime::Task;

namespace {

namespace fs = std::filesystem;

constexpr std::string_view room = "proxy";
/// A successor that has taken the sockets and does not come to its end is not waited for any longer.
constexpr auto taking_limit = std::chrono::seconds(10);

std::string lock_of(const std::string& socket) { return socket + ".lock"; }

/// Whether the file at `path` is the one that is locked: its last holder may have removed it meanwhile.
bool is_at(int lock, const std::string& path) {
  struct stat held{};
  struct stat there{};
  return ::fstat(lock, &held) == 0 && ::stat(path.c_str(), &there) == 0 && held.st_ino == there.st_ino;
}

/// The lock that one holds who starts, or ends.
runtime::HomeResult<runtime::HomeLock> take_lock(const std::string& socket) {
  const auto path = lock_of(socket);
  while (true) {
    auto lock = runtime::HomeLock::take(
        path, "name a socket in a folder of this user's own with --restart-socket, or run as its owner");
    if (!lock || is_at(lock->fd(), path)) return lock;
  }
}

/// Its file goes with it, so that none stays of a proxy that is gone.
void release(runtime::HomeLock& lock, const std::string& socket) {
  ::unlink(lock_of(socket).c_str());
  lock.release();
}

/// Takes the socket's file away, unless another one is just starting, which goes on with it.
void remove_socket(const std::string& socket) {
  const auto path = lock_of(socket);
  const runtime::Fd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  // Shared: who starts now waits for it (HomeLock::take), and does not take it for one that starts too.
  if (!lock || ::flock(lock.get(), LOCK_SH | LOCK_NB) != 0 || !is_at(lock.get(), path)) return;
  ::unlink(socket.c_str());
  ::unlink(path.c_str());
}

/// What the flag names.
Result<std::string> absolute_socket(const std::string& path) {
  std::error_code error;
  const auto given = fs::absolute(path, error);
  // A link to the folder is followed, as systemd makes one for a service with DynamicUser=.
  const auto folder = fs::weakly_canonical(given.parent_path(), error);
  auto socket = (error ? given : folder / given.filename()).string();
  struct stat status{};
  const bool is_there = ::lstat(socket.c_str(), &status) == 0;
  if (is_there && (::stat(socket.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode))) {
    return failure(Exit::usage, fmt::format("what {} names is there, and is no socket", restart_socket_flag),
                   socket, "name a path where nothing is; the proxy makes its socket there");
  }
  constexpr auto most = sizeof sockaddr_un::sun_path - 1;
  if (socket.size() <= most) return socket;
  return failure(Exit::usage, fmt::format("{} is longer than {} bytes", restart_socket_flag, most), socket,
                 "name a shorter path");
}

}  // namespace

Result<std::optional<std::string>> restart_socket(const std::string& config, const std::string& named) {
  if (!named.empty()) return absolute_socket(named);
  struct stat status{};
  if (::stat(config.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  std::error_code error;
  const auto path = fs::absolute(config, error).lexically_normal().string();
  const auto network = fs::read_symlink("/proc/self/ns/net", error).string();
  const auto folder = runtime::shared_run_folder(runtime::HomeSource::of_process());
  if (!folder) {
    runtime::log::warning(room, "no hot restart: {}", folder.error().detail);
    return std::nullopt;
  }
  return fmt::format("{}/proxy-{:012x}.sock", *folder,
                     base::hash64(path + '\n' + network) & 0xffff'ffff'ffffU);
}

Task<Result<std::unique_ptr<ProxyStart>>> ProxyStart::begin(runtime::Reactor& reactor,
                                                            std::optional<std::string> socket) {
  auto start = std::make_unique<ProxyStart>();
  if (!socket) co_return start;
  auto lock = take_lock(*socket);
  if (!lock && lock.error().kind == runtime::HomeErrorKind::held) {
    co_return failure(Exit::failed, "this proxy is being started by another process", lock.error().detail,
                      "wait until that one has started; then start it again if there is still a reason");
  }
  if (!lock) {
    runtime::log::warning(room, "no hot restart: {}", lock.error().detail);
    co_return start;
  }
  start->socket_ = std::move(*socket);
  start->lock_ = std::move(*lock);
  auto found = co_await proxy::Predecessor::find(reactor, *start->socket_);
  if (!found && found.error().mend.empty()) {
    runtime::log::warning(room, "no hot restart: {}", found.error().why);
    co_return std::make_unique<ProxyStart>();
  }
  if (!found) {
    co_return failure(Exit::failed, fmt::format("this proxy runs already, but {}", found.error().why),
                      *start->socket_, found.error().mend);
  }
  start->predecessor_ = std::move(*found);
  co_return start;
}

ProxyStart::~ProxyStart() {
  if (lock_) release(*lock_, *socket_);
}

runtime::IoResult<runtime::Fd> ProxyStart::listen(const base::Address& address) {
  if (predecessor_) {
    if (auto fd = predecessor_->take(proxy::SocketKind::listener, address)) return std::move(*fd);
  }
  return runtime::listen_on(address);
}

std::vector<base::Address> ProxyStart::listening_before() const {
  return predecessor_ ? predecessor_->listening() : std::vector<base::Address>();
}

ProxyLife::~ProxyLife() = default;

Task<void> ProxyLife::begin(std::unique_ptr<ProxyStart> start, base::Address admin) {
  if (!start->socket_) co_return;
  auto& predecessor = start->predecessor_;
  runtime::Fd control = predecessor ? predecessor->take_control() : runtime::Fd();
  if (!control) {
    auto fd = runtime::listen_messages(*start->socket_);
    if (!fd) {
      runtime::log::warning(room, "no hot restart: cannot listen on {}: {}", *start->socket_,
                            fd.error().message());
      co_return;
    }
    control = std::move(*fd);
  }
  socket_ = *start->socket_;
  proxy::Generation own;
  own.pid = ::getpid();
  own.version = WEFT_VERSION;
  own.started = reactor_.clock().wall();
  if (predecessor) {
    own.number = predecessor->generation().number + 1;
    admin_ = predecessor->take(proxy::SocketKind::admin, admin);
    const auto pid = predecessor->generation().pid;
    generations_.adopt(co_await predecessor->relieve());
    predecessor->close_rest();
    (void)runtime::take_messages(control.get());  // else another one is seen there, which harms nothing
    // Once it answers it takes nothing more.
    (void)co_await generations_.status();
    runtime::log::info(room, "generation {} has taken over from process {}", own.number, pid);
  }
  control_ = std::make_unique<proxy::Control>(
      reactor_, proxy_, generations_, std::move(control),
      proxy::Control::Options{.own = std::move(own), .old_limit = old_limit_, .on_superseded = [this] {
                                is_superseded_ = true;
                                newest_.cancel();
                                superseded_.set();
                              }});
  control_->start();
}

proxy::AdminOptions ProxyLife::admin_options(base::Address address) {
  proxy::AdminOptions options{.address = std::move(address)};
  options.listen = [this](const base::Address& at) -> runtime::IoResult<runtime::Fd> {
    auto fd = admin_ ? std::move(*std::exchange(admin_, std::nullopt)) : runtime::listen_on(at);
    if (!fd || !control_) return fd;
    auto copy = fd->duplicate();
    if (!copy) return runtime::last_error();
    control_->set_admin({at, std::move(copy)});
    return fd;
  };
  options.is_handed_on = [this] { return is_superseded(); };
  options.counted_before = [this] { return generations_.counted(); };
  return options;
}

Task<std::optional<proxy::Exclusive::Held>> ProxyLife::exclusive() {
  if (!control_) co_return std::nullopt;
  co_return co_await runtime::within(reactor_, taking_limit, control_->exclusive().take());
}

void ProxyLife::stop(base::Duration limit) {
  if (!control_) return;
  if (is_superseded_) return control_->end_within(limit);
  control_->stop();
  generations_.end_all(limit);
  remove_socket(socket_);
}

void ProxyLife::reopen_access_logs() {
  proxy_.reopen_access_log();
  generations_.reopen_access_logs();
}

Task<void> ProxyLife::drain_as_old() { return control_->drain_as_old(); }

Task<void> ProxyLife::finish() {
  if (!is_superseded()) co_return;
  co_await proxy_.drain(base::Duration::zero());
  co_await control_->tell_final();
}

}  // namespace weft::cli
