// `apply`, `validate` and `diff`: what a file says, against itself and against what is stored.
#include <fmt/format.h>
#include <unistd.h>

#include "base/counted.h"
#include "cli/apply.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/image_check.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/take_away.h"
#include "cli/terminal.h"
#include "cli/unified_diff.h"
#include "model/check.h"
#include "model/labels.h"
#include "model/merge.h"
#include "model/secret.h"
#include "model/values.h"
#include "yaml/print.h"

namespace weft::cli {

using base::Json;
using runtime::Task;

namespace {

struct Options {
  std::vector<std::string> files;
  bool wait = false;
  std::string dry_run = "none";
  bool prune = false;
  std::string set;
  std::string selector;
};

void add_files(Command command, Options& options) {
  command.option("-f,--filename", options.files, "FILE, DIR, or - for standard input; may be repeated",
                 {.required = true, .value = "FILE"});
}

DryRun dry_run_of(const std::string& text) {
  return text == "none" ? DryRun::none : text == "client" ? DryRun::client : DryRun::server;
}

/// Behind what would have been done.
std::string_view suffix_of(DryRun dry_run) {
  switch (dry_run) {
    case DryRun::none: return "";
    case DryRun::client: return " (dry run)";
    case DryRun::server: return " (server dry run)";
  }
  return "";
}

void print_report(const ApplyReport& report, const Invocation& invocation, DryRun dry_run) {
  if (wants_documents(invocation)) {
    std::vector<Json> objects;
    for (const auto& applied : report.applied) objects.push_back(applied.object);
    return print(show_documents(objects, invocation, true));
  }
  std::string lines;
  for (const auto& [which, change, object] : report.applied) {
    lines += which.to_string();
    if (invocation.format != Format::name)
      lines += fmt::format(" {}{}", to_string(change), suffix_of(dry_run));
    lines += '\n';
  }
  print(lines);
}

/// Leaves those whose labels match.
Result<void> select(std::vector<model::Object>& objects, const std::string& text) {
  const auto selector = model::parse_label_selector(text);
  if (!selector) return failure(Exit::usage, fmt::format("-l {}: {}", text, selector.error()));
  std::erase_if(objects, [&](const model::Object& object) {
    return !model::matches(*selector, model::metadata_of(object.resource).labels);
  });
  return {};
}

/// Which of them belong together must be said: nothing else may be deleted.
Result<void> check_prune(const Options& options) {
  if (options.prune && options.set.empty() && options.selector.empty()) {
    return failure(Exit::usage, "--prune needs to know what belongs together", {},
                   "name the set with --applyset=NAME each time, or select it by its labels with -l");
  }
  if (!options.set.empty() && !options.selector.empty()) {
    return failure(Exit::usage, "both a set (--applyset) and a selector (-l) are given", {},
                   "leave out one of them");
  }
  if (const auto fault = model::label_value_fault(options.set); !fault.empty())
    return failure(Exit::usage, fmt::format("--applyset={}: it {}", options.set, fault));
  return {};
}

Task<Result<void>> prune(Session& session, std::vector<Awaited> kept, const Invocation& invocation,
                         const Options& options) {
  auto& [reactor, home, api] = session;
  auto gone = co_await find_pruned(api, std::move(kept), options.set, options.selector);
  if (!gone) co_return std::unexpected(std::move(gone.error()));
  const auto dry_run = dry_run_of(options.dry_run);
  const auto tell_pruned = [silent = wants_documents(invocation), dry_run](const Awaited& one) {
    if (!silent) print(fmt::format("{} pruned{}\n", one.to_string(), suffix_of(dry_run)));
  };
  if (dry_run == DryRun::none) {
    co_return co_await take_away(
        reactor, api, std::move(*gone),
        {.limit = invocation.limit, .ignore_missing = true, .on_deleted = tell_pruned});
  }
  for (const auto& one : *gone) tell_pruned(one);
  co_return Result<void>();
}

Result<void> apply(Invocation invocation, const Options& options) {
  if (auto checked = check_prune(options); !checked) return checked;
  // Without --wait the default is no limit: what takes long is then not cut off in its middle.
  if (!options.wait && !invocation.timeout_given) invocation.limit.reset();
  auto objects = load_valid(options.files, invocation, "nothing was applied");
  if (!objects) return std::unexpected(std::move(objects.error()));
  if (auto selected = select(*objects, options.selector); !selected) return selected;
  const auto dry_run = dry_run_of(options.dry_run);
  auto session = open_session(invocation, dry_run == DryRun::none ? Absent::start : Absent::read);
  if (!session) return std::unexpected(std::move(session.error()));
  auto& [reactor, home, api] = **session;
  std::vector<Awaited> kept;
  for (const auto& object : *objects) kept.push_back(which(object));
  auto report =
      reactor.block_on(apply_all(api, std::move(*objects), {.dry_run = dry_run, .set = options.set}));
  print_report(report, invocation, dry_run);
  if (!report.failures.empty()) {
    const bool colour = wants_colour(STDERR_FILENO);
    for (std::size_t i = 1; i < report.failures.size(); ++i) {
      tell(render(report.failures[i], colour));
    }
    return std::unexpected(std::move(report.failures.front()));
  }
  if (options.prune) {
    auto pruned = reactor.block_on(prune(**session, kept, invocation, options));
    if (!pruned) return pruned;
  }
  if (!options.wait || dry_run != DryRun::none) return {};
  std::vector<Awaited> awaited;
  for (const auto& applied : report.applied) awaited.push_back(applied.which);
  auto ready =
      reactor.block_on(wait_done(reactor, api, std::move(awaited), *invocation.limit, print_progress));
  if (!ready) return std::unexpected(std::move(ready.error()));
  return {};
}

Result<void> validate(const Invocation& invocation, const Options& options) {
  auto loaded = load_files(options.files, invocation);
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  auto findings = std::move(loaded->diagnostics);
  if (!base::has_errors(findings)) {
    findings.append(model::check(loaded->objects));
    findings.append(check_images(loaded->objects));
  }
  const bool errors = base::has_errors(findings);
  if (wants_documents(invocation)) {
    Json list = Json::array();
    for (const auto& finding : findings) list.push_back(base::to_json(finding));
    std::size_t omitted = 0;
    for (const auto severity : {base::Severity::error, base::Severity::warning, base::Severity::note})
      omitted += findings.omitted(severity);
    print(show_document({{"valid", !errors}, {"diagnostics", list}, {"omitted", omitted}}, invocation));
    if (errors) return std::unexpected(Failure{Exit::invalid, {}, {}, {}, {}});
    return {};
  }
  if (errors) {
    const std::string what = count_words(findings) + ": it would not be applied";
    return std::unexpected(Failure{Exit::invalid, what, {}, {}, std::move(findings)});
  }
  tell(Shown::as_it_is(base::render(findings, wants_colour(STDERR_FILENO))));
  if (invocation.format == Format::name) {
    for (const auto& object : loaded->objects) print(which(object).to_string() + "\n");
    return {};
  }
  const auto count = loaded->objects.size();
  print(fmt::format("{} {} valid, {}\n", base::counted(count, "resource"), count == 1 ? "is" : "are",
                    count_words(findings)));
  return {};
}

/// What a reader compares: the object without what only the control plane and `apply` write.
std::string view_of(Json object) {
  if (object.is_null()) return {};
  object = visible_part(std::move(object));
  object.erase("status");
  for (const char* field : written_by_server) object["metadata"].erase(field);
  return yaml::print(object);
}

Result<void> diff(const Invocation& invocation, const Options& options) {
  auto objects = load_valid(options.files, invocation, "nothing was compared");
  if (!objects) return std::unexpected(std::move(objects.error()));
  auto session = open_session(invocation, Absent::read);
  if (!session) return std::unexpected(std::move(session.error()));
  std::vector<Awaited> targets;
  for (const auto& object : *objects) targets.push_back(which(object));
  auto live = (*session)->reactor.block_on(fetch_all((*session)->api, targets));
  if (!live) return std::unexpected(std::move(live.error()));
  Shown out;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const auto& object = (*objects)[i];
    const Json desired = desired_of(object);
    Json now = (*live)[i];
    Json then = now.is_null() ? desired
                              : model::apply_merge_patch(
                                    now, model::three_way_patch(model::last_applied_of(now), now, desired));
    model::hide_values(now, then);
    const auto name = targets[i].ns.empty() ? targets[i].to_string()
                                            : fmt::format("{}/{}", targets[i].ns, targets[i].to_string());
    out += unified_diff(
        view_of(now), view_of(then), now.is_null() ? "/dev/null" : fmt::format("{} (stored)", name),
        object.source ? fmt::format("{} ({}:{})", name, object.source->file(), object.position.line) : name,
        wants_colour(STDOUT_FILENO));
  }
  print(out);
  if (!out.empty()) return std::unexpected(Failure{Exit::failed, {}, {}, {}, {}});
  return {};
}

}  // namespace

void add_apply(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  auto command =
      parent.add("apply",
                 "Make stored resources what files say (all files are checked first: if one is invalid, "
                 "none is applied)",
                 "weft apply -f examples/shop\nweft apply -f web.yaml --wait --timeout 2m\n"
                 "cat web.yaml | weft apply -f -\n"
                 "weft apply -f examples/shop --dry-run\n"
                 "weft apply -f examples/shop --prune --applyset=shop");
  add_files(command, *options);
  command.flag("--wait", options->wait, "Return when all of it is ready");
  command.flag("--dry-run{server}", options->dry_run,
               "Only say what would be done: =server asks the control plane (also what it would refuse), "
               "=client finds out here",
               {"none", "client", "server"});
  command.flag("--prune", options->prune,
               "Delete what was applied before, belongs to the same set, and is not in the files any more");
  command.option("--applyset", options->set, "The set that the files' resources belong to",
                 {.value = "NAME"});
  command.selector(options->selector);
  command.timeout(invocation, "60s");
  command.ns(invocation);
  command.output(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options] { return apply(invocation, *options); });
}

void add_validate(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  auto command = parent.add("validate", "Check files without a control plane and without changing anything",
                            "weft validate -f examples/shop\nweft validate -f web.yaml -o json");
  add_files(command, *options);
  command.ns(invocation);
  command.output(invocation);
  command.run(invocation, [&invocation, options] { return validate(invocation, *options); });
}

void add_diff(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  auto command = parent.add(
      "diff", "Show what `apply` would change, as a unified diff; exit code 1 if anything, 0 if nothing",
      "weft diff -f examples/shop");
  add_files(command, *options);
  command.timeout(invocation, "60s");
  command.ns(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options] { return diff(invocation, *options); });
}

}  // namespace weft::cli
