// A command's way to the mesh of its home: finds the control plane, starts one in the background where the
// command is one that starts, or answers from what is stored.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/api.h"
#include "cli/command.h"
#include "provider/process/client.h"
#include "runtime/home.h"
#include "runtime/process.h"
#include "runtime/reactor.h"

namespace weft::cli {

/// The home that the flags and the environment say.
Result<runtime::Home> home_of(const Invocation& invocation);

/// The path of this program's file.
std::string own_program();

/// Whether a supervisor serves that home now, or is being started (again).
bool has_supervisor(const runtime::Home& home);
/// What the supervisor says of itself. One that is just being started, maybe again, is waited for; nothing if
/// there is none.
runtime::Task<std::optional<provider::process::SupervisorStatus>> supervisor_status(runtime::Reactor& reactor,
                                                                                    runtime::Home home);
/// Why a control plane is not ready, by its own words or as it does not answer.
struct NotReady {
  std::string why;
  /// It listens, and says nothing.
  bool is_silent = false;
};
/// Nothing if the control plane of that home is ready.
runtime::Task<std::optional<NotReady>> not_ready(runtime::Reactor& reactor, runtime::Home home,
                                                 base::Duration limit);

/// What a supervisor or control plane that is not stuck needs far less than to answer.
inline constexpr auto answer_limit = std::chrono::seconds(5);
/// The failure of a process that runs and does not `what` ("answer") within `limit`: it was stopped, or
/// hangs. `who` is "supervisor"; a pid of 0 is not known; `where` is where it listens.
std::unexpected<Failure> is_stuck(Exit exit, std::string_view who, std::string_view what, pid_t pid,
                                  const std::string& where, base::Duration limit);
/// The same of the supervisor of a home that has one; it may also be that it is only being started.
std::unexpected<Failure> supervisor_is_stuck(const runtime::Home& home, base::Duration limit);

/// Starts `weft keep`, which starts `weft supervise`, with their output in the home's log. `with_us`: they
/// end when this process does.
Result<runtime::Child> start_supervisor(const runtime::Home& home, bool with_us);
/// Waits until the control plane is ready; fails when `supervisor` (if given) has ended and no (other) one
/// serves the home, and when `start_limit` or the invocation's limit is over.
runtime::Task<Result<void>> wait_ready(runtime::Reactor& reactor, const Invocation& invocation,
                                       std::optional<pid_t> supervisor);

struct Session {
  runtime::Reactor reactor;
  runtime::Home home;
  Api api;

  explicit Session(runtime::Home where, std::optional<TimeLimit> limit = {})
      : home(std::move(where)), api(reactor, home.api_socket(), limit) {}
};

/// What a command does when no mesh runs: starts one; reads what is stored, which changes nothing, not even
/// folders; changes what is stored and starts nothing; or fails with exit code 6, for what only a mesh that
/// runs can tell.
enum class Absent : std::uint8_t { start, read, change, fail };

/// A session with a control plane that is ready, or with a mesh that is stopped (api.is_stopped()). What had
/// to be started, and that nothing runs, is told on stderr.
Result<std::unique_ptr<Session>> open_session(const Invocation& invocation, Absent absent);
/// The failure of what only a mesh that runs can do.
std::unexpected<Failure> mesh_is_stopped(const runtime::Home& home, const std::string& why = {});

/// What starts a mesh that is stopped; the default one of root may be that of a unit.
std::string mend_of_stopped(const runtime::Home& home);

/// "`weft upgrade --binary PROGRAM`": what puts that program in the place of what runs, whichever weft is
/// called.
std::string upgrade_command(const std::string& program);
/// Where another build of weft runs the mesh than this: words that say so, and what puts this one in its
/// place, to follow a mend.
std::string mend_of_build(const runtime::Home& home);

/// The folders in which the mesh finds images; if none runs, those that one would look in that is started
/// now.
std::vector<std::string> images_in_force(Session& session);

/// The last lines of a file, for error messages; empty if it cannot be read.
std::string tail_of(const std::string& path, std::size_t lines);

}  // namespace weft::cli
