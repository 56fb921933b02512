// `rollout`: how far a Deployment's present template has come, which it has had, and back to one of them.
#include <fmt/format.h>

#include <algorithm>
#include <climits>

#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/readiness.h"
#include "cli/session.h"
#include "cli/target.h"
#include "model/merge.h"

namespace weft::cli {

using base::Json;
using runtime::Task;

namespace {

struct Options {
  std::vector<std::string> words;
  int revision = 0;  // 0: of undo, the one before; of history, all
};

/// The Deployment that the words name; a single word is its name.
Result<Awaited> parse_deployment(const Invocation& invocation, const Options& options) {
  auto targets = parse_targets(options.words, "Deployment");
  if (!targets) return std::unexpected(std::move(targets.error()));
  const auto& target = targets->front();
  if (targets->size() > 1 || target.name.empty() || target.kind->kind != "Deployment") {
    return failure(Exit::usage, "a rollout is that of one Deployment", {}, "name it: deployment/NAME");
  }
  return Awaited{target.kind, invocation.ns, target.name};
}

std::int64_t number_of(const Json& revision) { return number_at(revision, "/revision"); }

/// The ControllerRevisions of a Deployment, the oldest first; not_found if it does not exist.
Task<Result<std::vector<Json>>> revisions_of(Api& api, Awaited deployment) {
  auto object = co_await api.get(rest_path(*deployment.kind, deployment.ns, deployment.name));
  if (!object) co_return std::unexpected(std::move(object.error()));
  auto list = co_await api.list(rest_path(*model::find_kind("ControllerRevision"), deployment.ns));
  if (!list) co_return list;
  const auto uid = text_at(*object, "/metadata/uid");
  std::erase_if(*list,
                [&](const Json& one) { return text_at(one, "/metadata/ownerReferences/0/uid") != uid; });
  std::ranges::sort(*list, {}, number_of);
  co_return list;
}

/// The revision of that number; of 0, the one before the newest.
Result<Json> pick(const std::vector<Json>& revisions, int number, const Awaited& deployment) {
  if (number == 0 && revisions.size() >= 2) return revisions[revisions.size() - 2];
  const auto found = std::ranges::find(revisions, number, number_of);
  if (found != revisions.end()) return *found;
  const auto what = number == 0 ? fmt::format("{} has no earlier revision", deployment.to_string())
                                : fmt::format("{} has no revision {}", deployment.to_string(), number);
  return failure(Exit::not_found, what, {},
                 fmt::format("see which there are: weft rollout history {}", deployment.to_string()));
}

Result<void> wait_rolled_out(Session& session, const Invocation& invocation, const Awaited& deployment) {
  if (session.api.is_stopped()) return {};
  auto done = session.reactor.block_on(
      wait_done(session.reactor, session.api, {deployment}, *invocation.limit, print_progress));
  if (!done) return std::unexpected(std::move(done.error()));
  return {};
}

Result<void> status(const Invocation& invocation, const Options& options) {
  auto deployment = parse_deployment(invocation, options);
  if (!deployment) return std::unexpected(std::move(deployment.error()));
  auto session = open_session(invocation, Absent::fail);
  if (!session) return std::unexpected(std::move(session.error()));
  // One that does not exist is not waited for.
  auto object = (*session)->reactor.block_on(
      (*session)->api.get(rest_path(*deployment->kind, deployment->ns, deployment->name)));
  if (!object) return std::unexpected(std::move(object.error()));
  if (auto done = wait_rolled_out(**session, invocation, *deployment); !done) return done;
  print(fmt::format("{} is rolled out\n", deployment->to_string()));
  return {};
}

Result<void> history(const Invocation& invocation, const Options& options) {
  auto deployment = parse_deployment(invocation, options);
  if (!deployment) return std::unexpected(std::move(deployment.error()));
  auto session = open_session(invocation, Absent::read);
  if (!session) return std::unexpected(std::move(session.error()));
  auto revisions = (*session)->reactor.block_on(revisions_of((*session)->api, *deployment));
  if (!revisions) return std::unexpected(std::move(revisions.error()));
  if (options.revision == 0) {
    print(show(*revisions, *model::find_kind("ControllerRevision"), invocation, false));
    return {};
  }
  auto revision = pick(*revisions, options.revision, *deployment);
  if (!revision) return std::unexpected(std::move(revision.error()));
  Invocation shown = invocation;
  if (!wants_documents(shown)) shown.format = Format::yaml;
  print(show_document(value_at(*revision, "/data/spec/template"), shown));
  return {};
}

/// What makes of the Deployment what it was with that revision: its template, and the words about it.
Json patch_back_to(const Json& revision, const Json& deployment) {
  const Json& live = value_at(deployment, "/spec/template");
  // All that it has now and the revision has not is to go.
  Json patch = {
      {"spec",
       {{"template", model::three_way_patch(live, live, value_at(revision, "/data/spec/template"))}}}};
  const auto cause = annotation_of(revision, change_cause_annotation);
  if (cause != annotation_of(deployment, change_cause_annotation)) {
    patch["metadata"]["annotations"][std::string(change_cause_annotation)] =
        cause.empty() ? Json() : Json(cause);
  }
  return patch;
}

Result<void> undo(const Invocation& invocation, const Options& options) {
  auto deployment = parse_deployment(invocation, options);
  if (!deployment) return std::unexpected(std::move(deployment.error()));
  auto session = open_session(invocation, Absent::change);
  if (!session) return std::unexpected(std::move(session.error()));
  auto& [reactor, home, api] = **session;
  auto revisions = reactor.block_on(revisions_of(api, *deployment));
  if (!revisions) return std::unexpected(std::move(revisions.error()));
  auto revision = pick(*revisions, options.revision, *deployment);
  if (!revision) return std::unexpected(std::move(revision.error()));
  const auto path = rest_path(*deployment->kind, deployment->ns, deployment->name);
  auto object = reactor.block_on(api.get(path));
  if (!object) return std::unexpected(std::move(object.error()));
  auto patched = reactor.block_on(api.patch(path, patch_back_to(*revision, *object)));
  if (!patched) return std::unexpected(std::move(patched.error()));
  if (auto done = wait_rolled_out(**session, invocation, *deployment); !done) return done;
  print(fmt::format("{} is rolled back to revision {}\n", deployment->to_string(), number_of(*revision)));
  return {};
}

using Body = Result<void> (*)(const Invocation&, const Options&);

Command add_verb(Command group, Invocation& invocation, const std::string& name,
                 const std::string& description, const std::string& examples, const std::string& limit,
                 Body body, std::shared_ptr<Options> options) {
  auto command = group.add(name, description, examples);
  command.option("KIND", options->words, "deployment/NAME, or its name", {.required = true});
  command.timeout(invocation, limit);
  command.ns(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options, body] { return body(invocation, *options); });
  return command;
}

}  // namespace

void add_rollout(Command parent, Invocation& invocation) {
  auto group = parent.add("rollout", "How a Deployment's template replaces the one before, and back",
                          "weft rollout status deployment/web\nweft rollout undo deployment/web");
  group.needs_subcommand();
  add_verb(group, invocation, "status",
           "Return when the present template is rolled out, or say why it does not get on",
           "weft rollout status deployment/web --timeout 2m", "10m", status, std::make_shared<Options>());
  auto of_history = std::make_shared<Options>();
  auto shown =
      add_verb(group, invocation, "history", "Show the templates that it has had",
               "weft rollout history deployment/web\nweft rollout history deployment/web --revision=2",
               look_limit, history, of_history);
  shown.option("--revision", of_history->revision, "Show this one whole", 1, INT_MAX);
  shown.output(invocation);
  auto of_undo = std::make_shared<Options>();
  auto back = add_verb(group, invocation, "undo",
                       "Go back to the template before, or to an earlier one; returns when it is rolled out",
                       "weft rollout undo deployment/web\nweft rollout undo deployment/web --to-revision=2",
                       "60s", undo, of_undo);
  back.option("--to-revision", of_undo->revision, "The number of its revision", 1, INT_MAX);
  add_restart(group, invocation);
}

}  // namespace weft::cli
