// `logs`: what instances have written, those that are gone too; of several in order of time.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <set>

#include "cli/commands.h"
#include "cli/log_feed.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/target.h"
#include "model/labels.h"
#include "model/resource.h"
#include "runtime/combine.h"
#include "runtime/process.h"

namespace weft::cli {

using base::Json;
using provider::process::InstanceLog;
using runtime::Task;

namespace {

/// How often is looked whether more can come: who is killed says nothing of its end.
constexpr auto look_pause = std::chrono::seconds(1);

struct Options {
  std::vector<std::string> words;
  std::string selector;
  bool follow = false;
  bool timestamps = false;
  bool previous = false;
  int tail = -1;
  std::string since;
  std::string since_time;
};

/// What the command line names, and which logs are its.
struct Wanted {
  std::string ns;
  /// A resource, or nothing if a selector was given.
  std::optional<Target> target;
  model::LabelSelector selector;
  /// As it is stored; null if it is not, or no more.
  Json object = {};

  bool is_its(const InstanceLog& log) const {
    if (!log.id.starts_with(ns + "/")) return false;
    if (!target) return model::matches(selector, log.labels);
    const auto is_of = [&](std::string_view kind) {
      return is_instance_of(kind, target->name, log.id.substr(ns.size() + 1), log.labels);
    };
    if (target->kind->kind != "Service") return is_of(target->kind->kind);
    // Of a Service that is not stored (any more): the workload of that name, or the instance.
    if (object.is_null()) return is_of("Pod") || is_of("Deployment") || is_of("Job");
    return selects(object, {{"kind", "Pod"}, {"metadata", {{"namespace", ns}, {"labels", log.labels}}}});
  }
  std::string to_string() const {
    return target ? fmt::format("{} {}", target->kind->singular, target->name)
                  : "-l " + model::to_string(selector);
  }
};

Result<std::optional<base::WallTime>> since_of(const Options& options, base::WallTime now) {
  if (!options.since.empty() && !options.since_time.empty())
    return failure(Exit::usage, "--since and --since-time say two things", {}, "give one of them");
  if (!options.since.empty()) {
    const auto ago = parse_timeout(options.since, "--since");
    if (!ago) return std::unexpected(ago.error());
    return now - *ago;
  }
  if (options.since_time.empty()) return std::nullopt;
  const auto time = base::parse_rfc3339(options.since_time);
  if (time) return time;
  return failure(Exit::usage, fmt::format("--since-time={} is no time", options.since_time), {},
                 "write it as 2026-01-31T08:00:00Z");
}

Result<std::vector<Wanted>> parse(const Invocation& invocation, Options options) {
  if (options.words.empty() == options.selector.empty()) {
    return failure(Exit::usage, options.words.empty() ? "whose logs?" : "a name and -l say two things", {},
                   "weft logs NAME... of services, KIND/NAME of a deployment, job or pod, or -l app=web");
  }
  if (!options.selector.empty()) {
    auto selector = model::parse_label_selector(options.selector);
    if (selector) return std::vector{Wanted{invocation.ns, std::nullopt, std::move(*selector)}};
    return failure(Exit::usage, fmt::format("-l {}: {}", options.selector, selector.error()), {},
                   "write it as app=web, or tier in (front,back)");
  }
  const auto& first = options.words.front();
  if (first.find('/') == std::string::npos && model::find_kind(first) == nullptr)
    options.words.insert(options.words.begin(), "service");
  auto targets = parse_targets(options.words, "Service");
  if (!targets) return std::unexpected(std::move(targets.error()));
  std::vector<Wanted> wanted;
  for (auto& target : *targets) {
    const std::set<std::string_view> kinds{"Service", "Deployment", "Job", "Pod"};
    if (target.name.empty() || !kinds.contains(target.kind->kind)) {
      return failure(Exit::usage,
                     target.name.empty()
                         ? fmt::format("which of the {}?", target.kind->plural)
                         : fmt::format("a {} has no instances, and so no logs", target.kind->singular),
                     {}, "weft logs NAME... of services, or KIND/NAME of a deployment, job or pod");
    }
    wanted.push_back({invocation.ns, std::move(target), {}});
  }
  return wanted;
}

/// Looks up what is stored of all that is wanted; the error is for who cannot be asked.
Task<Result<void>> look_up(Api& api, std::vector<Wanted>& wanted) {
  for (auto& one : wanted) {
    if (!one.target) continue;
    auto reply =
        co_await api.call(message::Method::get, rest_path(*one.target->kind, one.ns, one.target->name));
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    if (!reply->ok() && reply->status != 404) co_return std::unexpected(failure_of(*reply));
    one.object = reply->ok() ? std::move(reply->body) : Json();
  }
  co_return Result<void>();
}

/// Those that are there, or, if none is any more, the last ones: those that were there together with the
/// newest.
std::vector<InstanceLog> latest(const std::vector<InstanceLog>& logs, const std::set<std::string>& present) {
  std::vector<InstanceLog> chosen;
  std::ranges::copy_if(logs, std::back_inserter(chosen),
                       [&](const InstanceLog& log) { return present.contains(log.id); });
  if (!chosen.empty()) return chosen;
  base::WallTime newest{};
  for (const auto& log : logs) {
    if (!log.runs.empty()) newest = std::max(newest, log.runs.back().started);
  }
  std::ranges::copy_if(logs, std::back_inserter(chosen), [newest](const InstanceLog& log) {
    return log.runs.empty() || log.runs.back().ended.value_or(newest) >= newest;
  });
  return chosen;
}

struct Reading {
  InstanceLog log;
  provider::LogOptions options;
};

/// --previous: the run before the last one of each of `shown`, or, where none has two, the instance before
/// them.
std::vector<Reading> previous_of(const std::vector<InstanceLog>& logs, const std::vector<InstanceLog>& shown,
                                 const provider::LogOptions& options) {
  std::vector<Reading> readings;
  for (const auto& log : shown) {
    if (log.runs.size() < 2) continue;
    readings.push_back({log, options});
    readings.back().options.previous = true;
  }
  if (!readings.empty()) return readings;
  const InstanceLog* before = nullptr;
  for (const auto& log : logs) {
    const bool is_shown = std::ranges::find(shown, log.id, &InstanceLog::id) != shown.end();
    if (is_shown || log.runs.empty()) continue;
    if (before == nullptr || log.runs.back().started > before->runs.back().started) before = &log;
  }
  if (before == nullptr) return readings;
  readings.push_back({*before, options});
  auto& since = readings.back().options.since;
  since = std::max(since.value_or(base::WallTime{}), before->runs.back().started);
  return readings;
}

/// The logs of what is wanted, and where each begins.
Result<std::vector<Reading>> readings_of(Session& session, const std::vector<Wanted>& wanted,
                                         const Options& options, std::optional<base::WallTime> since) {
  auto& [reactor, home, api] = session;
  auto pods = reactor.block_on(api.list(rest_path(*model::find_kind("Pod"), wanted.front().ns)));
  if (!pods) return std::unexpected(std::move(pods.error()));
  std::set<std::string> present;
  for (const Json& pod : *pods) present.insert(namespace_of(pod) + "/" + name_of(pod));
  const auto all = provider::process::list_logs(home.logs());
  provider::LogOptions from{.since = since};
  if (options.tail >= 0 && !options.previous) from.tail_lines = options.tail;
  std::vector<Reading> readings;
  for (const auto& one : wanted) {
    std::vector<InstanceLog> logs;
    std::ranges::copy_if(all, std::back_inserter(logs),
                         [&one](const InstanceLog& log) { return one.is_its(log); });
    const auto shown = latest(logs, present);
    if (logs.empty() && one.object.is_null() && one.target && !options.follow) {
      return failure(Exit::not_found,
                     fmt::format("{} does not exist, and no log of it is left", one.to_string()), {},
                     fmt::format("list what exists: weft get {}", one.target->kind->plural));
    }
    if (options.previous) {
      std::ranges::move(previous_of(logs, shown, from), std::back_inserter(readings));
    } else {
      // Within a time, those that have ended since then belong to it.
      for (const auto& log : since ? logs : shown) readings.push_back({log, from});
    }
  }
  if (!readings.empty() || options.follow) return readings;
  const auto& one = wanted.front();
  const auto* what =
      options.previous ? "has no run before the last one" : "has no instances, and no log is left";
  return failure(
      Exit::not_found, fmt::format("{} {}", one.to_string(), what), {},
      one.target ? fmt::format("see why: weft describe {} {}", one.target->kind->singular, one.target->name)
                 : std::string("see what there is: weft get pods -o wide"));
}

/// Whether nothing can come any more: what was wanted is gone, has ended, or shall not run; or the mesh is
/// gone, whatever `runs` by its last words.
bool is_over(Session& session, std::vector<Wanted>& wanted, bool runs) {
  if (!has_supervisor(session.home)) return true;
  if (runs) return false;
  session.api.renew_limit();
  if (!session.reactor.block_on(look_up(session.api, wanted))) return false;
  return std::ranges::all_of(wanted, [](const Wanted& one) {
    if (!one.target) return false;
    const auto state = one.object.is_null() ? "" : state_cell(one.object).text;
    const bool is_idle =
        text_at(one.object, "/kind") == "Deployment" && number_at(one.object, "/spec/replicas", 1) == 0;
    return one.object.is_null() || is_idle || state == "NotStarted" || state == "Complete" ||
           state == "Failed";
  });
}

/// The mesh's own processes write files, which need no control plane to be read.
Result<void> own_logs(const Invocation& invocation, const Options& options) {
  auto home = home_of(invocation);
  if (!home) return std::unexpected(std::move(home.error()));
  const std::size_t lines = options.tail >= 0 ? static_cast<std::size_t>(options.tail) : 50;
  for (const char* name : {"supervisor", "control-plane", "proxy"}) {
    print(fmt::format("--- {}\n", home->own_log(name)));
    print_log(tail_of(home->own_log(name), lines) + "\n");
  }
  return {};
}

/// Of a run in the middle of a log, whose end is found only by reading to it.
Result<void> print_last(LogFeed& feed, int tail, const LogStyle& style) {
  std::deque<LogLine> last;
  for (auto lines = feed.take(); !lines.empty(); lines = feed.take()) {
    std::ranges::move(lines, std::back_inserter(last));
    while (tail >= 0 && last.size() > static_cast<std::size_t>(tail)) last.pop_front();
  }
  print(std::vector<LogLine>(last.begin(), last.end()), style);
  return {};
}

Result<void> run(const Invocation& invocation, const Options& options, bool of_mesh) {
  if (of_mesh && options.words.empty() && options.selector.empty()) return own_logs(invocation, options);
  auto wanted = parse(invocation, options);
  if (!wanted) return std::unexpected(std::move(wanted.error()));
  const auto since = since_of(options, base::system_clock().wall());
  if (!since) return std::unexpected(since.error());
  auto opened = open_session(invocation, Absent::read);
  if (!opened) return std::unexpected(std::move(opened.error()));
  auto& session = **opened;
  runtime::raise_file_limit();  // each log is open until its end
  if (auto found = session.reactor.block_on(look_up(session.api, *wanted)); !found) return found;
  LogFeed feed(session.reactor, session.home.logs());
  const bool follows = options.follow && !options.previous && !session.api.is_stopped();
  if (follows) {
    feed.follow([&wanted](const InstanceLog& log) {
      return std::ranges::any_of(*wanted, [&log](const Wanted& one) { return one.is_its(log); });
    });
  }
  auto readings = readings_of(session, *wanted, options, *since);
  if (!readings) return std::unexpected(std::move(readings.error()));
  for (const auto& reading : *readings) feed.add(reading.log, reading.options);
  LogStyle style{.times = options.timestamps, .colour = wants_colour(STDOUT_FILENO), .ns = invocation.ns};
  style.names = feed.has_several();
  if (options.previous) return print_last(feed, options.tail, style);
  for (;;) {
    const auto lines = feed.take();
    style.names = feed.has_several();
    if (!lines.empty()) {
      print(lines, style);
    } else if (!follows) {
      return {};
    } else if (!session.reactor.block_on(runtime::within(session.reactor, look_pause, feed.changed())) &&
               is_over(session, *wanted, feed.has_running())) {
      return {};
    }
  }
}

}  // namespace

void add_logs(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  const bool of_mesh = invocation.program == Program::control_plane || parent.name() == "control-plane";
  auto command =
      parent.add("logs",
                 of_mesh ? "Show what instances have written; without a name, what the mesh itself has"
                         : "Show what instances have written",
                 "weft logs web cart -f --tail 20\nweft logs -l tier=front --since 10m\n"
                 "weft logs job/migrate --previous\n"
                 "control-plane logs service simple-web-service");
  command.option("NAME", options->words, "[service] NAME..., or KIND/NAME of a deployment, job or pod");
  command.option("-l,--selector", options->selector, "Of all instances whose labels match, such as app=web");
  command.flag("-f,--follow", options->follow, "Go on with what comes, also from new instances");
  command.option("--tail", options->tail, "Only so many of the last lines of each instance; -1: all", -1,
                 std::numeric_limits<int>::max());
  command.flag("--timestamps", options->timestamps, "Each line with its time");
  command.option("--since", options->since,
                 "Only what is not older, such as 10m; of instances that have ended too");
  command.option("--since-time", options->since_time, "Only from that time on, such as 2026-01-31T08:00:00Z");
  command.flag("-p,--previous", options->previous,
               "Of the run before the last restart, or of the instance before");
  command.timeout(invocation);
  command.ns(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options, of_mesh] { return run(invocation, *options, of_mesh); });
}

}  // namespace weft::cli
