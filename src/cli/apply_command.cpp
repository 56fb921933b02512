// `apply`, `validate` and `diff`: what a file says, against itself and against what is stored.
#include <fmt/format.h>
#include <unistd.h>

#include "base/counted.h"
#include "cli/apply.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "model/check.h"
#include "model/merge.h"

namespace weft::cli {

using base::Json;

namespace {

struct Options {
  std::vector<std::string> files;
  bool wait = false;
};

void add_files(Command command, Options& options) {
  command.option("-f,--filename", options.files, "FILE, DIR, or - for standard input; may be repeated",
                 {.required = true, .value = "FILE"});
}

void print_report(const ApplyReport& report, Format format) {
  if (format == Format::json || format == Format::yaml) {
    std::vector<Json> objects;
    for (const auto& applied : report.applied) objects.push_back(applied.object);
    return print(show_documents(objects, format, true));
  }
  std::string lines;
  for (const auto& [which, change, object] : report.applied) {
    lines += which.to_string();
    if (format != Format::name) lines += fmt::format(" {}", to_string(change));
    lines += '\n';
  }
  print(lines);
}

Result<void> apply(Invocation invocation, const Options& options) {
  // Without --wait the default is no limit: what takes long is then not cut off in its middle.
  if (!options.wait && !invocation.timeout_given) invocation.limit.reset();
  auto objects = load_valid(options.files, invocation, "nothing was applied");
  if (!objects) return std::unexpected(std::move(objects.error()));
  auto session = open_session(invocation, Absent::start);
  if (!session) return std::unexpected(std::move(session.error()));
  auto& [reactor, home, api] = **session;
  auto report = reactor.block_on(apply_all(api, std::move(*objects)));
  print_report(report, invocation.format);
  for (const auto& warning : report.warnings) warn(warning);
  if (!report.failures.empty()) {
    const bool colour = wants_colour(STDERR_FILENO);
    for (std::size_t i = 1; i < report.failures.size(); ++i) {
      tell(render(report.failures[i], colour));
    }
    return std::unexpected(std::move(report.failures.front()));
  }
  if (!options.wait) return {};
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
  if (!base::has_errors(findings)) findings.append(model::check(loaded->objects));
  const bool errors = base::has_errors(findings);
  if (invocation.format == Format::json || invocation.format == Format::yaml) {
    Json list = Json::array();
    for (const auto& finding : findings) list.push_back(base::to_json(finding));
    const auto omitted = findings.omitted(base::Severity::error) + findings.omitted(base::Severity::warning);
    print(
        show_document({{"valid", !errors}, {"diagnostics", list}, {"omitted", omitted}}, invocation.format));
    if (errors) return std::unexpected(Failure{Exit::invalid, {}, {}, {}, {}});
    return {};
  }
  if (errors) {
    const std::string what = count_words(findings) + ": it would not be applied";
    return std::unexpected(Failure{Exit::invalid, what, {}, {}, std::move(findings)});
  }
  tell(Shown::as_it_is(base::render(findings, wants_colour(STDERR_FILENO))));
  const auto count = loaded->objects.size();
  print(fmt::format("{} {} valid, {}\n", base::counted(count, "resource"), count == 1 ? "is" : "are",
                    count_words(findings)));
  return {};
}

/// The paths that a merge patch sets or removes, with the value there is now: "- spec.replicas: 1", "+
/// spec.replicas: 2".
void describe_patch(const Json& patch, const Json& live, const std::string& path, std::string& out) {
  for (const auto& [key, value] : patch.items()) {
    const std::string at = path.empty() ? key : path + "." + key;
    const Json now = live.is_object() && live.contains(key) ? live[key] : Json();
    if (value.is_object() && now.is_object()) {
      describe_patch(value, now, at, out);
      continue;
    }
    if (!now.is_null()) out += fmt::format("  - {}: {}\n", base::printable(at), now.dump());
    if (!value.is_null()) out += fmt::format("  + {}: {}\n", base::printable(at), value.dump());
  }
}

Result<void> diff(const Invocation& invocation, const Options& options) {
  auto objects = load_valid(options.files, invocation, "nothing was compared");
  if (!objects) return std::unexpected(std::move(objects.error()));
  auto session = open_session(invocation, Absent::read);
  if (!session) return std::unexpected(std::move(session.error()));
  std::vector<Awaited> targets;
  for (const auto& object : *objects) {
    const auto& metadata = model::metadata_of(object.resource);
    targets.push_back({model::find_kind(model::kind_of(object.resource)), metadata.ns, metadata.name});
  }
  auto live = (*session)->reactor.block_on(fetch_all((*session)->api, targets));
  if (!live) return std::unexpected(std::move(live.error()));
  std::string out;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if ((*live)[i].is_null()) {
      out += fmt::format("{} would be created\n", targets[i].to_string());
      continue;
    }
    std::string changes;
    const Json desired = desired_of((*objects)[i]);
    const auto patch = model::three_way_patch(model::last_applied_of((*live)[i]), (*live)[i], desired);
    describe_patch(visible_part(patch), (*live)[i], "", changes);
    if (!changes.empty()) out += fmt::format("{} would be configured\n{}", targets[i].to_string(), changes);
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
                 "cat web.yaml | weft apply -f -");
  add_files(command, *options);
  command.flag("--wait", options->wait, "Return when all of it is ready");
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
  auto command = parent.add("diff", "Show what `apply` would change; exit code 1 if anything, 0 if nothing",
                            "weft diff -f examples/shop");
  add_files(command, *options);
  command.timeout(invocation, "60s");
  command.ns(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options] { return diff(invocation, *options); });
}

}  // namespace weft::cli
