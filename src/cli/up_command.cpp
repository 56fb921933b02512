// `up`: a mesh in the foreground for as long as one looks at it; with --once, long enough to prove that it
// works.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <map>

#include "cli/apply.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/live_view.h"
#include "cli/mesh.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/readiness.h"
#include "cli/rehearsal.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "runtime/combine.h"
#include "runtime/signals.h"

namespace weft::cli {

using base::Json;
using runtime::Task;

namespace {

constexpr auto look_every = std::chrono::seconds(1);
constexpr int rounds = 4;

struct Options {
  std::vector<std::string> files;
  bool once = false;
};

/// Redraws in place: as many lines up as were drawn before.
class Screen {
 public:
  void draw(const Shown& text) {
    Shown out = Shown::as_it_is(lines_ > 0 ? fmt::format("\x1b[{}A\x1b[J", lines_) : "");
    out += text;
    print(out);
    lines_ = std::ranges::count(text.text(), '\n');
  }

 private:
  std::ptrdiff_t lines_ = 0;
};

/// One line whenever a service's state has changed.
void log_changes(const std::vector<ServiceLine>& lines, std::map<std::string, std::string>& known) {
  for (const auto& line : lines) {
    std::string text = fmt::format("{}: {}", line.name, line.state.text);
    if (line.ready && line.total) text += fmt::format(", {} of {} ready", *line.ready, *line.total);
    if (!line.urls.empty()) text += fmt::format(" {}", fmt::join(line.urls, " "));
    auto& before = known[line.ns + "/" + line.name];
    if (before != text) print(base::printable(text) + "\n");
    before = std::move(text);
  }
}

/// Shows the mesh until it is cancelled, or is no more. What of it was killed is started again meanwhile.
Task<void> show(Session& session, const Invocation& invocation, pid_t keeper, Result<void>* result) {
  const bool live = is_terminal(STDOUT_FILENO);
  LiveView view(session, "");
  Screen screen;
  std::map<std::string, std::string> known;
  for (;;) {
    auto lines = co_await view.look();
    if (!lines && lines.error().exit == Exit::unavailable) {
      *result = co_await wait_ready(session.reactor, invocation, keeper);
      if (!*result) co_return;
      continue;
    }
    if (!lines) {
      *result = std::unexpected(std::move(lines.error()));
      co_return;
    }
    if (live) {
      auto text = render(*lines, wants_colour(STDOUT_FILENO));
      text += "Ctrl-C stops everything\n";
      screen.draw(text);
    } else {
      log_changes(*lines, known);
    }
    co_await session.reactor.sleep(look_every);
  }
}

Task<Result<void>> prove(Session& session, std::vector<Applied> applied, TimeLimit limit) {
  std::vector<Awaited> awaited;
  for (const auto& one : applied) awaited.push_back(one.which);
  auto objects =
      co_await wait_done(session.reactor, session.api, std::move(awaited), limit, print_progress, true);
  if (!objects) co_return std::unexpected(std::move(objects.error()));
  std::vector<Json> services;
  for (Json& object : *objects) {
    if (text_at(object, "/kind") == "Service") services.push_back(std::move(object));
  }
  co_return co_await rehearse(session, std::move(services), rounds);
}

/// From an empty mesh to what the files say, and then whatever was asked for.
Task<void> work(Session& session, const Invocation& invocation, std::vector<model::Object> objects, bool once,
                pid_t keeper, Result<void>* result) {
  *result = co_await wait_ready(session.reactor, invocation, keeper);
  if (!*result) co_return;
  auto report = co_await apply_all(session.api, std::move(objects));
  for (const auto& [which, change, object] : report.applied) {
    print(fmt::format("{} {}\n", which.to_string(), to_string(change)));
  }
  for (const auto& warning : report.warnings) warn(warning);
  if (!report.failures.empty()) {
    *result = std::unexpected(std::move(report.failures.front()));
  } else if (once) {
    auto& reactor = session.reactor;
    const auto left = invocation.limit->end + last_words - reactor.clock().now();
    auto proven =
        co_await runtime::within(reactor, left, prove(session, std::move(report.applied), *invocation.limit));
    *result = proven ? std::move(*proven)
                     : failure(Exit::timeout, fmt::format("the proof did not end within {}",
                                                          base::format_duration(invocation.limit->total)));
  } else {
    co_await show(session, invocation, keeper, result);
  }
}

Task<void> until_signal(runtime::Signals& signals, bool* interrupted) {
  co_await signals.next();
  *interrupted = true;
}

Result<void> run(Invocation invocation, const Options& options) {
  if (!options.once) invocation.limit.reset();  // it goes on until Ctrl-C
  auto objects = load_valid(options.files, invocation, "nothing was started");
  if (!objects) return std::unexpected(std::move(objects.error()));
  auto home = home_of(invocation);
  if (!home) return std::unexpected(std::move(home.error()));
  if (has_supervisor(*home)) {
    return failure(
        Exit::failed, "a mesh runs already with this state folder", home->state(),
        "add to it with `weft apply -f`, stop it with `control-plane stop`, or give another folder with "
        "--home");
  }
  auto keeper = start_supervisor(*home, true);
  if (!keeper) return std::unexpected(std::move(keeper.error()));
  Session session(*home, invocation.limit);
  runtime::Signals signals(session.reactor, {SIGINT, SIGTERM, SIGHUP});
  Result<void> result;
  bool interrupted = false;
  session.reactor.block_on(
      runtime::first(work(session, invocation, std::move(*objects), options.once, keeper->pid, &result),
                     until_signal(signals, &interrupted)));
  if (interrupted) result = {};
  tell("stopping\n");
  auto on_step = [](const std::string& step) { tell(fmt::format("  {}\n", base::printable(step))); };
  auto stopped = session.reactor.block_on(stop_mesh(session.reactor, *home, stop_limit, on_step));
  if (result && options.once && interrupted)
    return std::unexpected(Failure{Exit::interrupted, {}, {}, {}, {}});
  return result ? stopped : result;
}

}  // namespace

void add_up(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  auto command =
      parent.add("up",
                 "Run a mesh in the foreground with what files say, and show what it does; Ctrl-C stops "
                 "everything",
                 "weft up -f examples/shop\nweft up -f examples/shop --once");
  command.option("-f,--filename", options->files, "FILE, DIR, or - for standard input; may be repeated",
                 {.required = true, .value = "FILE"});
  command.flag(
      "--once", options->once,
      "Wait until all is ready, send requests through every service, check that every hop counted them, "
      "stop everything; exit code 0 only if all of it is right");
  command.timeout(invocation, "120s");
  command.ns(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options] { return run(invocation, *options); });
}

}  // namespace weft::cli
