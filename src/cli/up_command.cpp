// `up`: a mesh in the foreground for as long as one looks at it, or a look at one that runs already; with
// --once, long enough to prove that it works.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <deque>
#include <map>

#include "base/width.h"
#include "cli/apply.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/live_view.h"
#include "cli/log_feed.h"
#include "cli/mesh.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/readiness.h"
#include "cli/rehearsal.h"
#include "cli/screen.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "cli/upgrade.h"
#include "provider/process/instance_log.h"
#include "runtime/combine.h"
#include "runtime/signals.h"

namespace weft::cli {

using base::Json;
using runtime::Task;

namespace {

constexpr auto look_every = std::chrono::seconds(1);
constexpr int rounds = 4;
/// Between two times that a screen is drawn for new log lines: no eye reads faster.
constexpr auto redraw_pause = std::chrono::milliseconds(100);
/// Of a screen, what the logs have at least where the table would take all: one in so many rows.
constexpr int log_share = 3;
/// More rows than any terminal has.
constexpr std::size_t kept_log_lines = 500;

struct Options {
  std::vector<std::string> files;
  bool once = false;
  bool no_logs = false;
  bool no_upgrade = false;
};

/// Of what is new in a line: its state, or what it waits for.
std::string news_of(const ServiceLine& line) {
  if (!line.why.empty()) return line.why;
  std::string text = line.state.text;
  if (line.ready && line.total) text += fmt::format(", {} of {} ready", *line.ready, *line.total);
  if (!line.urls.empty()) text += fmt::format(" {}", fmt::join(line.urls, " "));
  return text;
}

/// What `up` is made of while it runs.
struct Up {
  Session session;
  const Invocation& invocation;
  /// Of the mesh that it has started; nothing if it has joined one, which goes on without it.
  std::optional<pid_t> keeper;
  std::optional<Screen> screen = {};
  std::vector<ServiceLine> lines = {};
  Result<void> result = {};
  /// What the instances write, unless that is not wanted.
  std::optional<LogFeed> logs = {};
  std::deque<LogLine> last_logs = {};

  /// `footer` stands before what one can do.
  void draw(std::string_view footer) {
    screen->show([this, footer](TerminalSize size) {
      const auto end = fmt::format("{}{}Ctrl-C: {}", footer, screen->has_keys() ? "q, " : "",
                                   keeper ? "stop everything" : "leave it running");
      return frame(size, end);
    });
  }
  Shown frame(TerminalSize size, std::string_view footer);
};

/// The table, below it the last lines of the logs as far as there is room, and the footer.
Shown Up::frame(TerminalSize size, std::string_view footer) {
  while (last_logs.size() > kept_log_lines) last_logs.pop_front();
  const bool colour = wants_colour(STDOUT_FILENO);
  const int below_table =
      size.rows - static_cast<int>(lines.size()) - 3;  // with its header, a blank line, the footer
  const auto rows = std::min<std::size_t>(
      last_logs.size(), static_cast<std::size_t>(std::max(below_table, size.rows / log_share)));
  if (rows == 0) return render_screen(lines, colour, Focus::addresses, size, footer);
  const int of_table = size.rows - static_cast<int>(rows) - 1;
  auto out = render_screen(lines, colour, Focus::addresses, {size.columns, of_table}, "");
  out += "\n";
  out += render({last_logs.end() - static_cast<std::ptrdiff_t>(rows), last_logs.end()},
                {.names = true, .colour = colour, .columns = size.columns});
  out += paint(base::cut_to(footer, static_cast<std::size_t>(size.columns)), Colour::dim, colour);
  return out;
}

/// Shows what the instances write as it comes: on the screen, or as lines.
Task<void> show_logs(Up& up) {
  for (;;) {
    auto lines = up.logs->take();
    if (lines.empty()) {
      co_await up.logs->changed();
    } else if (!up.screen) {
      print(lines, {.names = true, .colour = wants_colour(STDOUT_FILENO)});
      co_await up.session.reactor.yield();
    } else {
      std::ranges::move(lines, std::back_inserter(up.last_logs));
      up.screen->redraw();
      co_await up.session.reactor.sleep(redraw_pause);
    }
  }
}

/// A line whenever a state has changed, below a table too: what was waited for is seen to have come.
void tell_changes(Up& up, std::map<std::string, std::string>& known) {
  for (const auto& line : up.lines) {
    const auto id = line.ns + "/" + line.name;
    auto news = news_of(line);
    auto& before = known[id];
    if (before == news) continue;
    if (!up.screen) {
      print(base::printable(fmt::format("{}: {}", line.name, news)) + "\n");
    } else if (up.logs) {
      up.last_logs.push_back({id, {}, "weft: " + news});
    }
    before = std::move(news);
  }
}

/// Shows the mesh until it is cancelled, or is no more. What of it was killed is started again meanwhile, and
/// what runs goes on without a control plane, however long that takes.
Task<void> show(Up& up) {
  LiveView view(up.session, "", LiveView::Also::workloads);
  std::map<std::string, std::string> known;
  for (;;) {
    auto lines = co_await view.look();
    if (!lines && lines.error().exit == Exit::unavailable) {
      if (up.screen) {
        up.draw("waiting for the control plane   ");
      } else {
        tell("waiting for the control plane\n");
      }
      do up.result = co_await wait_ready(up.session.reactor, up.invocation, up.keeper);
      while (!up.result && has_supervisor(up.session.home));
      if (!up.result) co_return;
      continue;
    }
    if (!lines) {
      up.result = std::unexpected(std::move(lines.error()));
      co_return;
    }
    up.lines = std::move(*lines);
    tell_changes(up, known);
    if (up.screen) up.draw("");
    co_await up.session.reactor.sleep(look_every);
  }
}

/// The same on a screen of its own, where there is a terminal, and until `q` is typed there. What was seen
/// last stays.
Task<void> show_on_screen(Up& up) {
  runtime::Scope logs;
  if (!can_draw()) {
    if (up.logs) logs.spawn(show_logs(up));
    co_return co_await show(up);
  }
  up.screen.emplace();
  if (up.logs) logs.spawn(show_logs(up));
  co_await runtime::first(show(up), until_q(up.session.reactor));
  logs.cancel();
  up.screen.reset();
}

Task<Result<void>> prove(Session& session, std::vector<Applied> applied, TimeLimit limit) {
  std::vector<Awaited> awaited;
  for (const auto& one : applied) awaited.push_back(one.which);
  auto objects = co_await wait_done(session.reactor, session.api, std::move(awaited), limit, print_progress);
  if (!objects) {
    auto failure = std::move(objects.error());
    failure.mend = "without --once it stays as it is, to be looked at";
    co_return std::unexpected(std::move(failure));
  }
  std::vector<Json> services;
  for (Json& object : *objects) {
    if (text_at(object, "/kind") == "Service") services.push_back(std::move(object));
  }
  co_return co_await rehearse(session, std::move(services), rounds);
}

/// From an empty mesh to what the files say, and then whatever was asked for.
Task<void> work(Up& up, std::vector<model::Object> objects, bool once) {
  auto& [reactor, home, api] = up.session;
  up.result = co_await wait_ready(reactor, up.invocation, up.keeper);
  if (!up.result) co_return;
  auto report = co_await apply_all(api, std::move(objects));
  for (const auto& [which, change, object] : report.applied) {
    print(fmt::format("{} {}\n", which.to_string(), to_string(change)));
  }
  if (!report.failures.empty()) {
    up.result = std::unexpected(std::move(report.failures.front()));
  } else if (once) {
    const auto& limit = *up.invocation.limit;
    const auto left = limit.end + last_words - reactor.clock().now();
    auto proven =
        co_await runtime::within(reactor, left, prove(up.session, std::move(report.applied), limit));
    up.result = proven ? std::move(*proven)
                       : failure(Exit::timeout, fmt::format("the proof did not end within {}",
                                                            base::format_duration(limit.total)));
  } else {
    co_await show_on_screen(up);
  }
}

Task<void> until_interrupted(runtime::Signals& signals, std::optional<Screen>& screen, bool* interrupted) {
  (void)co_await until_ended(signals, screen);
  *interrupted = true;
}

/// The end of a terminal is told of more than once, and asks for no haste.
Task<void> until_interrupted_again(runtime::Signals& signals, std::optional<Screen>& screen) {
  while (co_await until_ended(signals, screen) == SIGHUP) {
  }
}

/// Stops the mesh in order; a second Ctrl-C kills what is left.
Task<Result<void>> stop_or_kill(Up& up, runtime::Signals& signals) {
  auto& reactor = up.session.reactor;
  auto on_step = [](const std::string& step) { tell(fmt::format("  {}\n", base::printable(step))); };
  tell("stopping; Ctrl-C again kills what still runs\n");
  runtime::Scope logs;
  if (up.logs && !can_draw()) logs.spawn(show_logs(up));  // the last words
  auto stopped = co_await runtime::unless(until_interrupted_again(signals, up.screen),
                                          stop_mesh(reactor, up.session.home, stop_limit, on_step));
  if (logs.size() > 0) {
    logs.cancel();
    for (auto lines = up.logs->take(); !lines.empty(); lines = up.logs->take())
      print(lines, {.names = true, .colour = wants_colour(STDOUT_FILENO)});
  }
  if (stopped) co_return std::move(*stopped);
  tell("killing what still runs\n");
  auto killed = co_await kill_mesh(reactor, up.session.home);
  if (!killed) co_return killed;
  co_return failure(Exit::interrupted, "the mesh was killed before it had stopped in order");
}

/// What instances write from now on, of a mesh that was joined those too that run already.
void open_logs(Up& up, base::WallTime begin) {
  auto& logs = up.logs.emplace(up.session.reactor, up.session.home.logs());
  logs.tell_ends();
  logs.follow(
      [begin](const LogFeed::Log& log) { return !log.runs.empty() && log.runs.back().started >= begin; });
  if (up.keeper) return;
  for (const auto& log : provider::process::list_logs(up.session.home.logs())) {
    const bool goes_on = !log.is_closed && !log.runs.empty() && !log.runs.back().ended;
    if (goes_on) logs.add(log, {.tail_lines = 0});
  }
}

/// A mesh that was joined goes on, which is said.
Result<void> leave(const Up& up) {
  if (up.result) {
    tell(fmt::format("the mesh goes on (state in {}); stop it with `control-plane stop`\n",
                     up.session.home.state()));
  }
  return up.result;
}

/// Shows the mesh, or proves it, to the end.
Result<void> see_to_the_end(Up& up, std::vector<model::Object> objects, bool once) {
  auto& reactor = up.session.reactor;
  auto signals = view_signals(reactor);
  bool interrupted = false;
  reactor.block_on(runtime::first(work(up, std::move(objects), once),
                                  until_interrupted(signals, up.screen, &interrupted)));
  up.screen.reset();
  if (!up.lines.empty() && can_draw())
    print(render_all(up.lines, wants_colour(STDOUT_FILENO), Focus::addresses));
  if (interrupted) up.result = {};
  if (!up.keeper) return leave(up);
  auto stopped = reactor.block_on(stop_or_kill(up, signals));
  if (up.result && once && interrupted) return std::unexpected(Failure{Exit::interrupted, {}, {}, {}, {}});
  return up.result ? stopped : up.result;
}

/// Starts the mesh; its keeper. Nothing if one runs already: that is joined, by default once it runs this
/// build.
Result<std::optional<pid_t>> start_or_join(const Invocation& invocation, const runtime::Home& home,
                                           const Options& options) {
  if (!has_supervisor(home)) {
    auto keeper = start_supervisor(home, true);
    if (!keeper) return std::unexpected(std::move(keeper.error()));
    return keeper->pid;
  }
  if (options.once) {
    return failure(Exit::failed, "a mesh runs already with this state folder", home.state(),
                   "--once has a mesh of its own: stop that one with `control-plane stop`, or give another "
                   "folder with --home" +
                       mend_of_build(home));
  }
  if (!options.no_upgrade) {
    auto upgraded = bring_up_to_date(invocation, home);
    if (!upgraded) return std::unexpected(std::move(upgraded.error()));
  }
  tell(fmt::format("joins the mesh that runs already (state in {})\n", home.state()));
  return std::nullopt;
}

Result<void> run(const Invocation& given, const Options& options) {
  Invocation invocation = given;
  if (!options.once) invocation.limit.reset();  // it goes on until Ctrl-C
  auto objects = load_valid(options.files, invocation, "nothing was started");
  if (!objects) return std::unexpected(std::move(objects.error()));
  auto home = home_of(invocation);
  if (!home) return std::unexpected(std::move(home.error()));
  const auto begin = base::system_clock().wall();
  auto keeper = start_or_join(given, *home, options);
  if (!keeper) return std::unexpected(std::move(keeper.error()));
  Up up{.session = Session(*home, invocation.limit), .invocation = invocation, .keeper = *keeper};
  if (!options.once && !options.no_logs) open_logs(up, begin);
  return see_to_the_end(up, std::move(*objects), options.once);
}

}  // namespace

void add_up(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  auto command =
      parent.add("up",
                 "Run a mesh in the foreground with what files say, and show what it does; Ctrl-C stops "
                 "everything. A mesh that runs already is joined, and goes on at Ctrl-C",
                 "weft up -f examples/shop\nweft up -f examples/shop --once");
  command.option("-f,--filename", options->files, "FILE, DIR, or - for standard input; may be repeated",
                 {.required = true, .value = "FILE"});
  command.flag("--no-logs", options->no_logs, "Without what the instances write");
  command.flag("--no-upgrade", options->no_upgrade,
               "Leave a mesh that runs as it is; without it, one of another build is upgraded to this one "
               "first (weft upgrade), unless it is of a later version");
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
