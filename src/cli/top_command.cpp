// `top`: what each service is doing, from the proxy's own metrics.
#include <fmt/format.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/live_view.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/terminal.h"

namespace weft::cli {

namespace {

struct Options {
  bool once = false;
  std::string interval = "1s";
};

runtime::Task<void> pause(runtime::Reactor& reactor, base::Duration duration) {
  co_await reactor.sleep(duration);
}

Result<void> run(const Invocation& invocation, const Options& options) {
  auto interval = parse_timeout(options.interval, "--interval");
  if (!interval) return std::unexpected(std::move(interval.error()));
  auto session = open_session(invocation, Absent::fail);
  if (!session) return std::unexpected(std::move(session.error()));
  auto& reactor = (*session)->reactor;
  LiveView view(**session, invocation.all_namespaces ? "" : invocation.ns);
  if (auto first = reactor.block_on(view.look()); !first) return std::unexpected(std::move(first.error()));
  const bool documents = invocation.format == Format::json || invocation.format == Format::yaml;
  const bool live = !options.once && !documents && is_terminal(STDOUT_FILENO);
  for (;;) {
    reactor.block_on(pause(reactor, *interval));
    (*session)->api.renew_limit();
    auto lines = reactor.block_on(view.look());
    if (!lines) return std::unexpected(std::move(lines.error()));
    if (live) print(Shown::as_it_is("\x1b[H\x1b[2J"));
    print(documents ? Shown(show_document(to_json(*lines), invocation.format))
                    : render(*lines, wants_colour(STDOUT_FILENO)));
    if (options.once || documents) return {};
  }
}

}  // namespace

void add_top(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  auto command = parent.add("top", "Show request rate, success share and latency of each service",
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
