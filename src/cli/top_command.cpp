// `top`: what each service is doing, from the proxy's own metrics.
#include <fmt/format.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/live_view.h"
#include "cli/output.h"
#include "cli/screen.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "runtime/combine.h"

namespace weft::cli {

using runtime::Task;

namespace {

struct Options {
  bool once = false;
  std::string interval = "1s";
};

/// What `top` is made of while it runs.
struct Top {
  Session& session;
  const Invocation& invocation;
  base::Duration interval;
  LiveView view{session, invocation.all_namespaces ? "" : invocation.ns};
  std::optional<Screen> screen = {};
  std::vector<ServiceLine> lines = {};
  Result<void> result = {};

  void draw() {
    screen->show([this](TerminalSize size) {
      return render_screen(lines, wants_colour(STDOUT_FILENO), Focus::numbers, size,
                           screen->has_keys() ? "q: quit" : "Ctrl-C: quit");
    });
  }
};

Task<void> look(Top& top) {
  auto lines = co_await top.view.look();
  if (lines) {
    top.lines = std::move(*lines);
  } else {
    top.result = std::unexpected(std::move(lines.error()));
  }
}

/// The look at the end of one interval.
Task<void> look_later(Top& top) {
  co_await top.session.reactor.sleep(top.interval);
  top.session.api.renew_limit();
  co_await look(top);
}

Task<void> look_again(Top& top) {
  while (top.result) {
    top.draw();
    co_await look_later(top);
  }
}

Task<void> look_or_q(Top& top) { co_await runtime::first(look_again(top), until_q(top.session.reactor)); }

/// Until `q`, or a signal, which it tells.
Task<void> show_on_screen(Top& top, int* signal) {
  auto& reactor = top.session.reactor;
  auto signals = view_signals(reactor);
  top.screen.emplace();
  if (auto ended = co_await runtime::unless(look_or_q(top), until_ended(signals, top.screen)))
    *signal = *ended;
  top.screen.reset();
}

Result<void> run(const Invocation& invocation, const Options& options) {
  auto interval = parse_timeout(options.interval, "--interval");
  if (!interval) return std::unexpected(std::move(interval.error()));
  auto session = open_session(invocation, Absent::fail);
  if (!session) return std::unexpected(std::move(session.error()));
  auto& reactor = (*session)->reactor;
  Top top{.session = **session, .invocation = invocation, .interval = *interval};
  reactor.block_on(look(top));
  const bool documents = wants_documents(invocation);
  if (!options.once && !documents && can_draw() && top.result) {
    int signal = 0;
    reactor.block_on(show_on_screen(top, &signal));
    print(render_all(top.lines, wants_colour(STDOUT_FILENO), Focus::numbers));
    if (signal != 0 && top.result) top.result = std::unexpected(Failure{Exit::interrupted, {}, {}, {}, {}});
    return top.result;
  }
  while (top.result) {
    reactor.block_on(look_later(top));
    if (!top.result) break;
    print(documents                    ? Shown(show_document(to_json(top.lines), invocation))
          : is_terminal(STDOUT_FILENO) ? render_all(top.lines, wants_colour(STDOUT_FILENO), Focus::numbers)
                                       : render(top.lines, false));
    if (options.once || documents) break;
  }
  return top.result;
}

}  // namespace

void add_top(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  auto command = parent.add("top", "Show request rate, success share and latency of each service; q quits",
                            "weft top\nweft top --once -o json | jq '.services[] | {name, requests}'");
  command.flag("--once", options->once, "Show one interval and end");
  command.option("--interval", options->interval, "Time span that the numbers are of [1s]",
                 {.value = "DURATION"});
  command.timeout(invocation);
  command.ns(invocation);
  command.all_namespaces(invocation);
  command.output(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options] { return run(invocation, *options); });
}

}  // namespace weft::cli
