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

namespace {

struct Options {
  std::vector<std::string> words;
  std::string selector;
  std::string what = "ready";
};

/// --for.
struct What {
  bool deleted = false;
  std::string condition;  // empty: ready
  std::string status;
};

Progress look_for(const What& what, const Json& object) {
  if (what.deleted && object.is_null()) return {.done = true, .text = "it is gone"};
  if (what.deleted) return {.text = "it is still there"};
  auto progress = progress_of(object);
  const bool is_over = text_at(object, "/kind") == "Job" && progress.done;
  progress.done = is_observed(object) &&
                  message::equals_ignore_case(condition_of(object, what.condition).status, what.status);
  // A Job that has completed gets no other condition.
  progress.stuck = progress.stuck || is_over;
  return progress;
}

Goal goal_of(const What& what) {
  if (!what.deleted && what.condition.empty()) return readiness();
  const auto status = what.status == "True" ? "" : "=" + what.status;
  return {[what](const Awaited& awaited, const Json& object) {
            return object.is_null() && !what.deleted ? readiness().look(awaited, object)
                                                     : look_for(what, object);
          },
          what.deleted ? "gone" : what.condition + status};
}

/// Fails if it can never hold: the whole time would be waited in vain.
Result<void> check(const Target& target, const What& goal) {
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

Result<What> parse_what(const std::string& text) {
  constexpr std::string_view prefix = "condition=";
  if (text == "ready") return What{};
  if (text == "delete") return What{.deleted = true};
  if (text.starts_with(prefix) && text.size() > prefix.size()) {
    const auto rest = text.substr(prefix.size());
    const auto equals = std::min(rest.find('='), rest.size());
    What goal{false, rest.substr(0, equals), equals < rest.size() ? rest.substr(equals + 1) : "True"};
    for (const char* status : {"True", "False", "Unknown"}) {
      if (message::equals_ignore_case(goal.status, status)) return goal;
    }
    return failure(Exit::usage, fmt::format("no condition is ever \"{}\"", goal.status), {},
                   "write True, False or Unknown behind the condition's name");
  }
  return failure(Exit::usage, fmt::format("--for={} is not understood", text), {},
                 "write ready, delete, or condition=NAME[=VALUE] such as condition=Available");
}

Result<void> run(const Invocation& invocation, const Options& options) {
  auto what = parse_what(options.what);
  if (!what) return std::unexpected(std::move(what.error()));
  auto targets = parse_targets(options.words);
  if (!targets) return std::unexpected(std::move(targets.error()));
  for (const auto& target : *targets) {
    if (auto checked = check(target, *what); !checked) return checked;
  }
  auto session = open_session(invocation, Absent::read);
  if (!session) return std::unexpected(std::move(session.error()));
  auto& [reactor, home, api] = **session;
  auto found = reactor.block_on(find_targets(api, std::move(*targets), invocation.ns, options.selector));
  if (!found) return std::unexpected(std::move(found.error()));
  if (found->empty() && !options.selector.empty() && !what->deleted) {
    return failure(Exit::not_found, fmt::format("nothing matches {}", options.selector), {},
                   "see the labels there are: weft get KIND -o yaml");
  }
  std::vector<Awaited> awaited;
  for (const auto& target : *found) awaited.push_back({target.kind, invocation.ns, target.name});
  const auto silently = [](const Awaited&, const Progress&) {};
  auto done = reactor.block_on(wait_done(reactor, api, awaited, *invocation.limit, silently, goal_of(*what)));
  if (!done && done.error().exit == Exit::unavailable && api.is_stopped())
    return mesh_is_stopped(home, done.error().what);
  if (!done) return std::unexpected(std::move(done.error()));
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
