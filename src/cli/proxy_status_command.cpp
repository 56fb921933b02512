// `proxy status`: the generations of a proxy, by the words of the newest.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/proxy_restart.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "proxy/handover.h"
#include "runtime/combine.h"

namespace weft::cli {

using base::Json;
using proxy::Generation;

namespace {

Json document_of(const Generation& generation) {
  Json json{{"generation", generation.number},       {"pid", generation.pid},
            {"version", generation.version},         {"startedAt", base::format_rfc3339(generation.started)},
            {"connections", generation.connections}, {"streams", generation.streams}};
  if (generation.drains_since) json["drainsSince"] = base::format_rfc3339(*generation.drains_since);
  if (generation.cut_at) json["cutAt"] = base::format_rfc3339(*generation.cut_at);
  return json;
}

std::string span(base::Duration duration) {
  using std::chrono::seconds;
  const auto whole = std::max(std::chrono::duration_cast<seconds>(duration), seconds(0));
  return base::format_duration(whole);
}

Row row_of(const Generation& generation, base::WallTime now) {
  std::string state = "accepts";
  if (generation.drains_since) state = fmt::format("drains for {}", span(now - *generation.drains_since));
  // Not of one that hung when it was relieved, until it has said so.
  if (generation.cut_at) state += fmt::format(", is cut in {}", span(*generation.cut_at - now));
  const auto number = [](auto value) { return Cell{fmt::format("{}", value), Colour::none, true}; };
  return {number(generation.number),
          number(generation.pid),
          {generation.version},
          {age_of(base::format_rfc3339(generation.started), now)},
          number(generation.connections),
          number(generation.streams),
          {state}};
}

struct Which {
  std::string config;
  std::string socket;
  bool is_of_mesh() const { return config.empty() && socket.empty(); }
};

/// Where the proxy is asked that the flags mean: that of a socket or a file, or the mesh's.
Result<std::string> socket_of(const Invocation& invocation, const Which& which) {
  if (which.is_of_mesh()) {
    auto home = home_of(invocation);
    if (!home) return std::unexpected(std::move(home.error()));
    return home->proxy_socket();
  }
  auto socket = restart_socket(which.config, which.socket);
  if (!socket) return std::unexpected(std::move(socket.error()));
  if (*socket) return std::move(**socket);
  return failure(Exit::not_found, "there is no such file, or none of a proxy that can be asked", which.config,
                 "name the file that the proxy was started with");
}

/// What to do where none answers.
std::string mend_of_none(const Invocation& invocation, bool is_of_mesh) {
  if (!is_of_mesh) {
    return "start it with `weft proxy --config`; it is found by the user who did, and with the "
           "--restart-socket that was given then";
  }
  const auto home = home_of(invocation);
  return home && has_supervisor(*home) ? "the mesh runs without it: see `control-plane status` for why, or "
                                         "name a proxy's file with --config"
                                       : "start the mesh, or name a proxy's file with --config";
}

Result<void> show(const Invocation& invocation, const Which& which) {
  const auto socket = socket_of(invocation, which);
  if (!socket) return std::unexpected(socket.error());
  runtime::Reactor reactor;
  const auto limit = std::min<base::Duration>(proxy::answer_limit, invocation.limit->total);
  const auto generations = reactor.block_on(proxy::ask_status(reactor, *socket, limit));
  if (!generations && !generations.error().listens) {
    return failure(Exit::unavailable, "no proxy answers", *socket,
                   mend_of_none(invocation, which.is_of_mesh()));
  }
  if (!generations)
    return is_stuck(Exit::unavailable, "proxy", "answer", generations.error().pid, *socket, limit);
  if (wants_documents(invocation)) {
    auto list = Json::array();
    for (const auto& generation : *generations) list.push_back(document_of(generation));
    print(show_document({{"socket", *socket}, {"generations", std::move(list)}}, invocation));
    return {};
  }
  std::vector<Row> rows;
  const auto now = reactor.clock().wall();
  for (const auto& generation : *generations) rows.push_back(row_of(generation, now));
  print(table({"GENERATION", "PID", "VERSION", "AGE", "CONNECTIONS", "STREAMS", "STATE"}, rows,
              wants_colour(STDOUT_FILENO)));
  return {};
}

}  // namespace

void add_proxy_status(Command parent, Invocation& invocation) {
  auto which = std::make_shared<Which>();
  auto command = parent.add("status",
                            "Show the generations of a proxy: the one that accepts, and those before it that "
                            "still have connections",
                            "weft proxy status --config proxy.yaml\nweft proxy status -o json");
  command.option("--config", which->config, "The proxy that was started with this file [the mesh's]",
                 {.value = "FILE"});
  command.option(restart_socket_flag, which->socket, "The proxy that was started with this socket",
                 {.value = "PATH"});
  command.timeout(invocation);
  command.output(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, which] { return show(invocation, *which); });
}

}  // namespace weft::cli
