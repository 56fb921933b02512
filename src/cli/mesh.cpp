// Talks to the supervisor and to the proxy's admin socket.
#include "cli/mesh.h"

#include <fmt/format.h>

#include <csignal>

#include "cli/api.h"
#include "cli/objects.h"
#include "cli/session.h"
#include "provider/process/client.h"
#include "runtime/build.h"
#include "runtime/combine.h"
#include "runtime/process.h"
#include "runtime/socket.h"

namespace weft::cli {

using base::Json;
using provider::process::OwnProcess;
using provider::process::SupervisorClient;
using provider::process::SupervisorStatus;
using runtime::Task;

namespace {

constexpr auto kill_limit = std::chrono::seconds(10);

/// One line of the shutdown's progress: "web-x7k2p: stopped, exit code 0"; empty for the last.
std::string step_text(const std::string& line) {
  const Json step = Json::parse(line, nullptr, false);
  if (!step.is_object()) return line;
  const std::string instance = text_at(step, "/instance");
  if (instance.empty()) return {};
  const std::string exit = text_at(step, "/exit");
  return fmt::format("{}: {}{}{}", instance, text_at(step, "/event"), exit.empty() ? "" : ", ", exit);
}

/// Has the control plane stop everything in order, if there is one to do so.
Task<void> shut_down(runtime::Reactor& reactor, runtime::Home home,
                     std::function<void(std::string)> on_step) {
  http::Client client(reactor, base::Address::unix_path(home.api_socket()), {.host = "weft"});
  http::Request request;
  request.method = message::Method::post;
  request.target = "/weft/v1/shutdown";
  auto opened = co_await client.open(std::move(request), answer_limit);
  if (!opened || (*opened)->status() >= 300) co_return;
  for (;;) {
    auto line = co_await (*opened)->next_line();
    if (!line || !*line) co_return;
    if (auto text = step_text(**line); !text.empty()) on_step(std::move(text));
  }
}

/// Ends when the process is gone.
Task<void> until_ended(runtime::Reactor& reactor, pid_t pid) {
  if (const auto pidfd = runtime::open_pidfd(pid)) co_await runtime::until_readable(reactor, pidfd->get());
}

/// Ends when a supervisor and its keeper are gone.
Task<void> until_ended(runtime::Reactor& reactor, SupervisorStatus status) {
  co_await until_ended(reactor, status.pid);
  if (status.keeper.pid > 0) co_await until_ended(reactor, status.keeper.pid);
}

std::unexpected<Failure> not_ending(const runtime::Home& home, pid_t pid, base::Duration limit) {
  return is_stuck(Exit::timeout, "supervisor", "end", pid, home.state(), limit);
}

/// Ends a supervisor, or its keeper, that does not answer: it is just being started, maybe again, or stuck.
/// `total` is the command's limit, of which that is a part.
Task<Result<void>> end_holder(runtime::Reactor& reactor, runtime::Home home, base::Duration limit,
                              base::Duration total) {
  const auto holder = runtime::HomeLock::holder(home.supervisor_lock());
  if (!holder) co_return Result<void>();
  ::kill(*holder, SIGTERM);
  if (co_await runtime::within(reactor, limit, until_ended(reactor, *holder))) co_return Result<void>();
  const bool listens = runtime::connect_messages(home.supervisor_socket()).has_value();
  co_return listens ? supervisor_is_stuck(home, total) : not_ending(home, *holder, total);
}

Task<void> stop_supervisor(runtime::Reactor& reactor, runtime::Home home, SupervisorClient& supervisor,
                           SupervisorStatus status, std::function<void(std::string)> on_step) {
  co_await shut_down(reactor, home, std::move(on_step));
  // The supervisor ends by itself when its control plane has; if there was none, or it broke, it must be
  // told.
  (void)co_await supervisor.shutdown();
  co_await supervisor.until_gone();
  // The connection that told it is the caller's to end: let its own task return first.
  co_await reactor.sleep(base::Duration::zero());
  co_await until_ended(reactor, std::move(status));
}

/// Tells it to kill everything; whether all is gone then. One that does not even say that it has heard is
/// stuck.
Task<bool> kill_all(runtime::Reactor& reactor, SupervisorClient& supervisor, SupervisorStatus status) {
  if (!co_await runtime::within(reactor, last_words, supervisor.shutdown(true))) co_return false;
  co_return co_await runtime::within(reactor, kill_limit, until_ended(reactor, std::move(status)));
}

/// Of what runs, whose file may have been replaced by another since.
void add_build(pid_t pid, Json& to) {
  const auto build = runtime::build_of(pid);
  if (!build.version.empty()) to["version"] = build.version;
  if (!build.id.empty()) to["build"] = build.id;
}

Json process_json(const OwnProcess& process) {
  Json json = {{"restarts", process.restarts}};
  if (process.pid > 0) {
    json["pid"] = process.pid;
    add_build(process.pid, json);
  }
  for (const auto pid : process.before) {
    Json before = {{"pid", pid}};
    add_build(pid, before);
    if (!before.contains("build")) continue;  // it has ended meanwhile
    json["before"].push_back(std::move(before));
  }
  if (!process.last_exit.empty()) json["lastExit"] = process.last_exit;
  return json;
}

}  // namespace

Task<Result<void>> stop_mesh(runtime::Reactor& reactor, runtime::Home home, base::Duration limit,
                             std::function<void(std::string)> on_step) {
  const auto end = reactor.clock().now() + limit;
  const auto left = [&] { return std::max(end - reactor.clock().now(), base::Duration::zero()); };
  auto supervisor = SupervisorClient::connect(reactor, home.supervisor_socket());
  if (!supervisor) co_return co_await end_holder(reactor, home, limit, limit);
  auto status = co_await runtime::within(reactor, std::min<base::Duration>(answer_limit, limit),
                                         (*supervisor)->status());
  // One that listens and is silent is not waited for as long as one that has much to stop.
  if (!status) {
    co_return co_await end_holder(reactor, home, std::min<base::Duration>(answer_limit, left()), limit);
  }
  if (!*status) co_return co_await end_holder(reactor, home, left(), limit);
  if (co_await runtime::within(reactor, left(),
                               stop_supervisor(reactor, home, **supervisor, **status, std::move(on_step)))) {
    co_return Result<void>();
  }
  if (co_await kill_all(reactor, **supervisor, **status)) {
    co_return failure(Exit::timeout, fmt::format("the mesh did not stop within {}, it was killed",
                                                 base::format_duration(limit)));
  }
  co_return not_ending(home, (*status)->pid, limit);
}

Task<Result<void>> kill_mesh(runtime::Reactor& reactor, runtime::Home home) {
  auto supervisor = SupervisorClient::connect(reactor, home.supervisor_socket());
  if (!supervisor) co_return co_await end_holder(reactor, home, kill_limit, kill_limit);
  auto status = co_await runtime::within(reactor, answer_limit, (*supervisor)->status());
  if (!status || !*status) co_return co_await end_holder(reactor, home, kill_limit, kill_limit);
  if (co_await kill_all(reactor, **supervisor, **status)) co_return Result<void>();
  co_return not_ending(home, (*status)->pid, kill_limit);
}

Task<Result<std::vector<Sample>>> fetch_metrics(runtime::Reactor& reactor, runtime::Home home) {
  http::Client client(reactor, base::Address::unix_path(home.admin_socket()), {.host = "weft"});
  http::Request request;
  request.target = "/stats/prometheus";
  auto response = co_await client.send(std::move(request), answer_limit);
  if (!response || response->status != 200) {
    co_return failure(Exit::unavailable, "the proxy does not tell its metrics",
                      response ? fmt::format("status {}", response->status) : response.error().detail,
                      "see `control-plane status`");
  }
  co_return parse_metrics(response->body);
}

Task<Json> mesh_status(runtime::Reactor& reactor, runtime::Home home, base::Duration limit) {
  Json status = {{"running", false}, {"state", home.state()}};
  const auto told = co_await runtime::within(reactor, limit, supervisor_status(reactor, home));
  if (!told && has_supervisor(home)) {
    status["running"] = true;
    status["answers"] = false;
  }
  if (!told || !*told) co_return status;
  const auto& seen = **told;
  status["running"] = true;
  status["supervisor"] = {{"pid", seen.pid},
                          {"startedAt", base::format_rfc3339(seen.started_at)},
                          {"restarts", seen.restarts},
                          {"cgroups", seen.cgroups},
                          {"limitsProcesses", seen.limits_processes},
                          {"stopping", seen.stopping},
                          {"instances", seen.instances}};
  add_build(seen.pid, status["supervisor"]);
  if (!seen.last_end.empty()) status["supervisor"]["lastExit"] = seen.last_end;
  status["keeper"] = process_json(seen.keeper);
  if (seen.kept_by_manager) status["keeper"]["isServiceManager"] = true;
  status["controlPlane"] = process_json(seen.control_plane);
  status["proxy"] = process_json(seen.proxy);
  http::Client client(reactor, base::Address::unix_path(home.api_socket()), {.host = "weft"});
  http::Request request;
  request.target = "/weft/v1/status";
  auto response = co_await client.send(std::move(request), limit);
  status["controlPlane"]["ready"] = response && response->status == 200;
  if (!response && response.error().kind == http::ClientErrorKind::timeout)
    status["controlPlane"]["answers"] = false;
  if (response && response->status == 200) {
    Json mesh = Json::parse(response->body, nullptr, false);
    if (mesh.is_object()) status["mesh"] = std::move(mesh);
  }
  co_return status;
}

}  // namespace weft::cli
