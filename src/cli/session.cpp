// Finding, or starting, the mesh that a command talks to.
#include "cli/session.h"
#include "cli/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/json.h"
#include "provider/process/image.h"
#include "provider/process/old_logs.h"
#include "runtime/build.h"
#include "runtime/combine.h"
#include "runtime/credentials.h"
#include "runtime/service_manager.h"
#include "runtime/socket.h"

namespace weft::cli {

using runtime::Task;

namespace {

/// A store of many resources on a slow machine; look_limit says the same.
constexpr auto start_limit = std::chrono::seconds(20);
constexpr auto probe_limit = std::chrono::seconds(2);
constexpr auto probe_pause = std::chrono::milliseconds(3);
/// Two commands may start a supervisor at once: the one that comes second ends, and the other may need so
/// long to open its sockets.
constexpr auto rival_limit = std::chrono::seconds(1);

/// The folders of WEFT_IMAGES as seen from here: the supervisor runs in "/".
std::string absolute_folders(std::string_view folders) {
  std::string out;
  while (true) {
    const auto end = std::min(folders.find(':'), folders.size());
    std::error_code error;
    if (end > 0) out += std::filesystem::absolute(std::string(folders.substr(0, end)), error).string();
    if (end == folders.size()) return out;
    out += ':';
    folders.remove_prefix(end + 1);
  }
}

/// What a mesh in the background is started with. The service that this command may be a part of is not its
/// own to speak for.
std::vector<std::string> environment() {
  constexpr std::string_view images = "WEFT_IMAGES=";
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (runtime::is_of_service_manager(text.substr(0, text.find('=')))) continue;
    const bool relative = text.starts_with(images);
    all.push_back(relative ? std::string(images) + absolute_folders(text.substr(images.size()))
                           : std::string(text));
  }
  return all;
}

Result<runtime::Fd> open_log(const runtime::Home& home) {
  std::error_code error;
  const mode_t mask = umask(077);
  std::filesystem::create_directories(home.logs(), error);
  umask(mask);
  if (error && error.value() != EROFS) {
    return failure(Exit::failed, fmt::format("cannot create the folder: {}", error.message()), home.logs(),
                   "give another folder with --home or WEFT_HOME");
  }
  const std::string path = home.own_log("supervisor");
  runtime::Fd log(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (log) {
    fchmod(log.get(), 0600);  // one that was there may have been open to others
    provider::process::bound_own_output(log.get(), path);
  }
  // A mesh runs also when the disk has become read-only, only without a log.
  if (!log && errno == EROFS) log = runtime::Fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (!log) {
    return failure(Exit::failed,
                   fmt::format("cannot write the state folder: {}", runtime::IoError{errno}.message()), path,
                   "give another folder with --home or WEFT_HOME");
  }
  return log;
}

}  // namespace

Result<runtime::Home> home_of(const Invocation& invocation) {
  auto home = runtime::Home::resolve(runtime::HomeSource::of_process(invocation.home));
  if (!home) {
    return failure(Exit::failed, home.error().detail);
  }
  // What lies in it would all seem not to be there.
  if (faccessat(AT_FDCWD, home->state().c_str(), X_OK, AT_EACCESS) != 0 && errno == EACCES) {
    return failure(Exit::failed, "permission denied: this user may not enter the state folder", home->state(),
                   "run it as the user whose mesh it is, or give another folder with --home or WEFT_HOME");
  }
  return std::move(*home);
}

std::string own_program() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

bool has_supervisor(const runtime::Home& home) {
  return runtime::connect_messages(home.supervisor_socket()) ||
         runtime::HomeLock::holder(home.supervisor_lock());
}

std::unexpected<Failure> is_stuck(Exit exit, std::string_view who, std::string_view what, pid_t pid,
                                  const std::string& where, base::Duration limit) {
  return failure(
      exit,
      fmt::format("the {}{} runs, but does not {} within {}", who,
                  pid > 0 ? fmt::format(" (process {})", pid) : std::string(), what,
                  base::format_duration(limit)),
      where,
      pid > 0
          ? fmt::format("one that was stopped (`ps -o stat= {0}` says T) goes on by `kill -CONT {0}`, one "
                        "that hangs has to be ended: `kill -9 {0}`",
                        pid)
          : std::string("see which process that is: `ss -xlp` names it"));
}

std::unexpected<Failure> supervisor_is_stuck(const runtime::Home& home, base::Duration limit) {
  const auto socket = runtime::connect_messages(home.supervisor_socket());
  if (!socket && socket.error().code != EAGAIN) {  // EAGAIN: more wait already than may
    return failure(Exit::timeout,
                   fmt::format("the supervisor is being started, and is not there within {}",
                               base::format_duration(limit)),
                   home.state(), "see `control-plane logs`");
  }
  const auto peer = socket ? runtime::peer_credentials(socket->get()) : runtime::last_error();
  return is_stuck(Exit::timeout, "supervisor", "answer", peer ? peer->pid : 0, home.supervisor_socket(),
                  limit);
}

Task<std::optional<NotReady>> not_ready(runtime::Reactor& reactor, runtime::Home home, base::Duration limit) {
  http::Client client(reactor, base::Address::unix_path(home.api_socket()), {.host = "weft"});
  http::Request request;
  request.target = "/readyz";
  auto response = co_await client.send(std::move(request), limit);
  if (!response) {
    co_return NotReady{response.error().detail, response.error().kind == http::ClientErrorKind::timeout};
  }
  if (response->status == 200) co_return std::nullopt;
  const auto status = base::Json::parse(response->body, nullptr, false);
  co_return NotReady{status.is_object() ? status.value("message", response->body) : response->body};
}

Result<runtime::Child> start_supervisor(const runtime::Home& home, bool with_us) {
  if (auto checked = home.check_state(); !checked) return failure(Exit::failed, checked.error().detail);
  auto log = open_log(home);
  if (!log) return std::unexpected(std::move(log.error()));
  if (const auto exposure = home.exposure()) warn(*exposure);
  runtime::SpawnOptions options;
  options.argv = {own_program(), "keep", "--home", home.state()};
  if (with_us) options.argv.push_back("--with-us");
  options.environment = environment();
  options.directory = "/";
  options.fds = {{log->get(), 1}, {log->get(), 2}};
  options.parent_death_signal = with_us ? SIGTERM : 0;
  auto child = runtime::spawn(options);
  if (!child) {
    return failure(Exit::failed, fmt::format("cannot start `weft keep`: {}", child.error().message()),
                   options.argv.front());
  }
  return std::move(*child);
}

namespace {

/// Who does not answer where a control plane is silent: that, or the supervisor.
Task<std::unexpected<Failure>> who_is_silent(runtime::Reactor& reactor, runtime::Home home,
                                             base::Duration limit) {
  const auto told = co_await runtime::within(reactor, last_words, supervisor_status(reactor, home));
  if (!told) co_return supervisor_is_stuck(home, last_words);
  co_return is_stuck(Exit::timeout, "control plane", "answer", *told ? (*told)->control_plane.pid : 0,
                     home.api_socket(), limit);
}

}  // namespace

Task<Result<void>> wait_ready(runtime::Reactor& reactor, const Invocation& invocation,
                              std::optional<pid_t> supervisor) {
  const auto begin = reactor.clock().now();
  const auto limit = within_limit(invocation.limit, begin, start_limit);
  const auto give_up = begin + limit;
  std::optional<base::MonoTime> ended_at;
  for (;;) {
    auto home = home_of(invocation);
    if (!home) co_return std::unexpected(std::move(home.error()));
    const auto probe = std::clamp<base::Duration>(give_up - reactor.clock().now(), probe_pause, probe_limit);
    const auto why = co_await not_ready(reactor, *home, probe);
    if (!why) co_return Result<void>();
    const auto now = reactor.clock().now();
    if (supervisor && waitpid(*supervisor, nullptr, WNOHANG) == *supervisor) {
      supervisor.reset();
      ended_at = now;
    }
    const bool late = now >= give_up;
    if (!late && !supervisor && !ended_at && !has_supervisor(*home)) co_return mesh_is_stopped(*home);
    const auto total = invocation.limit ? invocation.limit->total : limit;
    if (late && why->is_silent) co_return co_await who_is_silent(reactor, std::move(*home), total);
    if (late || (ended_at && now - *ended_at > rival_limit && !has_supervisor(*home))) {
      co_return failure(
          late && limit < start_limit ? Exit::timeout : Exit::unavailable,
          late ? fmt::format("the control plane is not ready after {}: {}", base::format_duration(total),
                             why->why)
               : std::string("the control plane could not be started"),
          fmt::format("{}:\n{}", home->own_log("supervisor"), tail_of(home->own_log("supervisor"), 8)),
          "see the log for the reason");
    }
    co_await reactor.sleep(probe_pause);
  }
}

Task<std::optional<provider::process::SupervisorStatus>> supervisor_status(runtime::Reactor& reactor,
                                                                           runtime::Home home) {
  while (true) {
    auto supervisor = provider::process::SupervisorClient::connect(reactor, home.supervisor_socket());
    if (supervisor) {
      if (auto status = co_await (*supervisor)->status()) co_return *status;
    }
    if (!runtime::HomeLock::holder(home.supervisor_lock())) co_return std::nullopt;
    co_await reactor.sleep(probe_pause);
  }
}

std::unexpected<Failure> mesh_is_stopped(const runtime::Home& home, const std::string& why) {
  return failure(Exit::unavailable, "the mesh is stopped" + (why.empty() ? "" : ": " + why),
                 fmt::format("state in {}", home.state()), mend_of_stopped(home));
}

std::string mend_of_stopped(const runtime::Home& home) {
  if (home.state() == runtime::HomeSource().system_state) {
    return "start it with `systemctl start weft` where weft.service is its unit, else with "
           "`control-plane start`; `weft apply` and `create` start it too, in the background and not as "
           "that unit";
  }
  return "start it with `control-plane start`; `weft apply` and `create` start it too";
}

std::string upgrade_command(const std::string& program) {
  return fmt::format("`weft upgrade --binary {}`", program);
}

namespace {

/// Has the session answer from what is stored; false if a mesh runs by now.
Result<bool> answer_from_store(Session& session, Absent absent) {
  using Access = control::StoppedMesh::Access;
  if (auto checked = session.home.check_state(); !checked)
    return failure(Exit::failed, checked.error().detail);
  const auto access = absent == Absent::change ? Access::change : Access::read;
  auto mesh = control::StoppedMesh::open(session.reactor, session.home, access);
  // What was read while a mesh began may be half of a change.
  if (access == Access::read && has_supervisor(session.home)) return false;
  if (!mesh && mesh.error().kind == store::StoreErrorKind::locked) return false;
  if (!mesh) {
    return failure(Exit::failed, "what is stored cannot be read", mesh.error().detail,
                   "see to that file, or give another folder with --home");
  }
  session.api.answer_from(std::move(*mesh));
  tell(fmt::format("the mesh is stopped: {} (state in {})\n",
                   absent == Absent::read ? "this is what is stored"
                                          : "only what is stored is changed, and nothing is started",
                   session.home.state()));
  return true;
}

}  // namespace

std::string mend_of_build(const runtime::Home& home) {
  runtime::Reactor reactor;
  const auto told = reactor.block_on(runtime::within(reactor, probe_limit, supervisor_status(reactor, home)));
  if (!told || !*told) return {};
  const auto theirs = runtime::build_of((*told)->pid);
  if (theirs == runtime::build_of(::getpid())) return {};
  return fmt::format("; it runs weft {}, which is another build than this: {} puts this one in its place",
                     theirs.to_string(), upgrade_command(own_program()));
}

std::vector<std::string> images_in_force(Session& session) {
  const auto told = session.reactor.block_on(
      runtime::within(session.reactor, probe_limit, supervisor_status(session.reactor, session.home)));
  return told && *told ? (*told)->images : provider::process::image_folders();
}

namespace {

/// Says if WEFT_IMAGES is given too late: the mesh has that of its start.
void warn_of_images(Session& session) {
  const char* given = std::getenv("WEFT_IMAGES");
  if (given == nullptr || *given == '\0') return;
  const auto images = images_in_force(session);
  if (images == provider::process::image_folders()) return;
  warn(
      fmt::format("the mesh was started with another WEFT_IMAGES: it finds images in {}; for {} to count, "
                  "stop it first (control-plane stop)",
                  fmt::join(images, ":"), given));
}

}  // namespace

Result<std::unique_ptr<Session>> open_session(const Invocation& invocation, Absent absent) {
  auto home = home_of(invocation);
  if (!home) return std::unexpected(std::move(home.error()));
  auto session = std::make_unique<Session>(*home, invocation.limit);
  auto& reactor = session->reactor;
  const auto begin = reactor.clock().wall();
  const auto probe = within_limit(invocation.limit, reactor.clock().now(), probe_limit);
  if (!reactor.block_on(not_ready(reactor, *home, std::max<base::Duration>(probe, last_words)))) {
    if (absent == Absent::start) warn_of_images(*session);
    return session;
  }
  bool runs = has_supervisor(*home);
  if (!runs && absent == Absent::fail) return mesh_is_stopped(*home);
  std::optional<pid_t> started;
  Result<void> ready;
  do {
    if (!runs && absent != Absent::start) {
      auto answers = answer_from_store(*session, absent);
      if (!answers) return std::unexpected(std::move(answers.error()));
      if (*answers) return session;
    } else if (!runs) {
      auto child = start_supervisor(*home, false);
      if (!child) return std::unexpected(std::move(child.error()));
      started = child->pid;
    }
    ready = reactor.block_on(wait_ready(reactor, invocation, started));
    runs = has_supervisor(*home);
    // One that was about to end has ended: then it is as if it had not been there.
  } while (!ready && !runs && !started && ready.error().exit != Exit::timeout);
  if (!ready) return std::unexpected(std::move(ready.error()));
  // The run folder may have been made only now.
  home = home_of(invocation);
  if (!home) return std::unexpected(std::move(home.error()));
  const auto told =
      reactor.block_on(runtime::within(reactor, probe_limit, supervisor_status(reactor, *home)));
  const auto status = told && *told ? **told : provider::process::SupervisorStatus{};
  if (status.restarts > 0 && status.started_at >= begin) {
    tell(fmt::format("waited for the mesh: its supervisor ended ({}) and was started again\n",
                     status.last_end));
  } else if (started && status.keeper.pid == *started) {
    tell(fmt::format("started a local control plane (state in {}); stop it with `control-plane stop`\n",
                     home->state()));
  }
  return std::make_unique<Session>(*home, invocation.limit);
}

std::string tail_of(const std::string& path, std::size_t lines) {
  constexpr std::streamoff most = 16 * 1024;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file || lines == 0) return {};
  const std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(0, size - most));
  std::string text{std::istreambuf_iterator<char>(file), {}};
  while (text.ends_with('\n')) text.pop_back();
  std::size_t at = text.size();
  for (std::size_t i = 0; i < lines && at != std::string::npos && at > 0; ++i) at = text.rfind('\n', at - 1);
  return at == std::string::npos || at == 0 ? text : text.substr(at + 1);
}

}  // namespace weft::cli
