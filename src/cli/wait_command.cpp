// `wait`: returns when resources have a condition, as kubectl's has it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/readiness.h"
#include "cli/session.h"
#include "cli/target.h"
#include "message/syntax.h"

namespace weft::cli {

using base::Json;
using runtime::Task;

namespace {

constexpr auto pause = std::chrono::milliseconds(20);

struct Options {
  std::vector<std::string> words;
  std::string selector;
  std::string what = "ready";
};

/// --for: what holds for an object (null: it does not exist).
struct Goal {
  bool deleted = false;
  std::string condition;  // empty: done
  std::string status;

  bool holds(const Json& object) const {
    if (deleted) return object.is_null();
    if (object.is_null() || !is_observed(object)) return false;
    if (condition.empty()) return progress_of(object).done;
    return message::equals_ignore_case(condition_of(object, condition).status, status);
  }
};

/// Fails if it can never hold: the whole time would be waited in vain.
Result<void> check(const Target& target, const Goal& goal) {
  const auto& kind = *target.kind;
  if (!target.name.empty()) {
    if (const auto fault = kind.name_fault(target.name); !fault.empty()) {
      return failure(Exit::usage,
                     fmt::format("no {} is ever called \"{}\": it {}", kind.singular, target.name, fault), {},
                     fmt::format("list what exists: weft get {}", kind.plural));
    }
  }
  if (goal.condition.empty()) return {};
  const auto is_it = [&](std::string_view type) { return type == goal.condition; };
  if (kind.conditions.empty() || !std::ranges::any_of(kind.conditions, is_it)) {
    return failure(Exit::usage, fmt::format("a {} never has the condition {}", kind.singular, goal.condition),
                   {},
                   kind.conditions.empty() ? "wait for it with --for ready, or --for delete"
                                           : fmt::format("it has {}", fmt::join(kind.conditions, ", ")));
  }
  return {};
}

Result<Goal> parse_goal(const std::string& text) {
  constexpr std::string_view prefix = "condition=";
  if (text == "ready") return Goal{};
  if (text == "delete") return Goal{.deleted = true};
  if (text.starts_with(prefix) && text.size() > prefix.size()) {
    const auto rest = text.substr(prefix.size());
    const auto equals = std::min(rest.find('='), rest.size());
    Goal goal{false, rest.substr(0, equals), equals < rest.size() ? rest.substr(equals + 1) : "True"};
    for (const char* status : {"True", "False", "Unknown"}) {
      if (message::equals_ignore_case(goal.status, status)) return goal;
    }
    return failure(Exit::usage, fmt::format("no condition is ever \"{}\"", goal.status), {},
                   "write True, False or Unknown behind the condition's name");
  }
  return failure(Exit::usage, fmt::format("--for={} is not understood", text), {},
                 "write ready, delete, or condition=NAME[=VALUE] such as condition=Available");
}

Task<Result<void>> wait_for(Session& session, std::vector<Awaited> awaited, Goal goal, TimeLimit limit,
                            std::string what) {
  auto& [reactor, home, api] = session;
  for (;;) {
    auto objects = co_await fetch_all(api, awaited);
    if (!objects) co_return std::unexpected(std::move(objects.error()));
    const auto missing =
        std::ranges::find_if(*objects, [&goal](const Json& object) { return !goal.holds(object); });
    if (missing == objects->end()) co_return Result<void>();
    if (api.is_stopped()) {
      const auto& which = awaited[static_cast<std::size_t>(missing - objects->begin())];
      co_return mesh_is_stopped(
          home, fmt::format("{} is not {}, and nothing becomes of it meanwhile", which.to_string(), what));
    }
    if (reactor.clock().now() >= limit.end) {
      const auto& which = awaited[static_cast<std::size_t>(missing - objects->begin())];
      co_return failure(Exit::timeout,
                        fmt::format("waited {} for {} in vain: {}", base::format_duration(limit.total),
                                    which.to_string(), what),
                        missing->is_null() ? "it does not exist" : progress_of(*missing).text,
                        fmt::format("weft describe {} {}", which.kind->singular, which.name));
    }
    co_await reactor.sleep(pause);
  }
}

Result<void> run(const Invocation& invocation, const Options& options) {
  auto goal = parse_goal(options.what);
  if (!goal) return std::unexpected(std::move(goal.error()));
  auto targets = parse_targets(options.words);
  if (!targets) return std::unexpected(std::move(targets.error()));
  for (const auto& target : *targets) {
    if (auto checked = check(target, *goal); !checked) return checked;
  }
  auto session = open_session(invocation, Absent::read);
  if (!session) return std::unexpected(std::move(session.error()));
  auto& [reactor, home, api] = **session;
  auto found = reactor.block_on(find_targets(api, std::move(*targets), invocation.ns, options.selector));
  if (!found) return std::unexpected(std::move(found.error()));
  if (found->empty() && !options.selector.empty() && !goal->deleted) {
    return failure(Exit::not_found, fmt::format("nothing matches {}", options.selector), {},
                   "see the labels there are: weft get KIND -o yaml");
  }
  std::vector<Awaited> awaited;
  for (const auto& target : *found) awaited.push_back({target.kind, invocation.ns, target.name});
  auto done = reactor.block_on(wait_for(**session, awaited, *goal, *invocation.limit, options.what));
  if (!done) return done;
  for (const auto& one : awaited) print(fmt::format("{}: {}\n", one.to_string(), options.what));
  return {};
}

}  // namespace

void add_wait(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  auto command =
      parent.add("wait", "Return when resources are ready, have a condition, or are gone",
                 "weft wait deployments --timeout 2m\nweft wait job/migrate --for condition=Complete\n"
                 "weft wait pod/web-x7k2p --for delete");
  command.option("KIND", options->words, "KIND [NAME...] or KIND/NAME...", {.required = true});
  command.selector(options->selector);
  command.option("--for", options->what, "ready, delete, or condition=NAME[=VALUE] [ready]");
  command.timeout(invocation, "60s");
  command.ns(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options] { return run(invocation, *options); });
}

}  // namespace weft::cli
