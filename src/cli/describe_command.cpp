// `describe`: all about one resource for a reader: what it is, why it waits, its instances and what happened
// to it.
#include <fmt/format.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/target.h"
#include "cli/terminal.h"
#include "model/resource.h"
#include "model/secret.h"
#include "yaml/print.h"

namespace weft::cli {

using base::Json;
using runtime::Task;

namespace {

void add_line(std::string& out, std::string_view name, std::string_view value) {
  if (!value.empty()) out += fmt::format("{:<14} {}\n", fmt::format("{}:", name), base::printable(value));
}

/// Below a title, two blanks in front of each line.
Shown section(std::string_view title, const Shown& lines) {
  std::string out = fmt::format("{}:\n", title);
  for (bool begins = true; const char c : lines.text()) {
    if (std::exchange(begins, c == '\n')) out += "  ";
    out += c;
  }
  return Shown::as_it_is(std::move(out));
}

Shown conditions_text(const Json& object, bool colour) {
  std::vector<Row> rows;
  for (const Json* condition : conditions_of(object)) {
    const std::string status = text_at(*condition, "/status");
    const Colour tone = status == "True" ? Colour::green : Colour::yellow;
    rows.push_back({{text_at(*condition, "/type")},
                    {status, tone},
                    {text_at(*condition, "/reason")},
                    {text_at(*condition, "/message")}});
  }
  if (rows.empty()) return {};
  return section("Conditions", table({"TYPE", "STATUS", "REASON", "MESSAGE"}, rows, colour));
}

Shown table_of(std::string_view title, std::string_view kind, const std::vector<Json>& objects, bool colour) {
  if (objects.empty()) return {};
  const auto columns =
      columns_of(*model::find_kind(kind), objects, false, false, base::system_clock().wall());
  return section(title, table(columns.header, columns.rows, colour));
}

std::string head_text(const Json& object) {
  std::string out;
  add_line(out, "Name", name_of(object));
  add_line(out, "Namespace", namespace_of(object));
  add_line(out, "Kind", text_at(object, "/kind"));
  const Json& annotations = value_at(object, "/metadata/annotations");
  if (annotations.is_object()) {
    add_line(out, "Source", annotations.value(std::string(model::annotation::source), ""));
  }
  add_line(out, "Created", text_at(object, "/metadata/creationTimestamp"));
  const std::string kind = text_at(object, "/kind");
  if (kind == "Service" || kind == "Deployment" || kind == "Job")
    add_line(out, "Status", state_cell(object).text);
  if (kind == "Pod") add_line(out, "Status", pod_state(object));
  add_line(out, "URL", fmt::format("{}", fmt::join(urls_of(object), ", ")));
  return out;
}

Task<Result<Shown>> describe(Api& api, const model::Kind* kind, std::string ns, std::string name,
                             bool colour) {
  auto object = co_await api.get(rest_path(*kind, ns, name));
  if (!object) co_return std::unexpected(std::move(object.error()));
  auto pods = co_await api.list(rest_path(*model::find_kind("Pod"), ns));
  auto deployments = co_await api.list(rest_path(*model::find_kind("Deployment"), ns));
  auto events = co_await api.list(rest_path(*model::find_kind("Event"), ns));
  if (!pods || !deployments || !events)
    co_return std::unexpected(std::move((!pods ? pods : !deployments ? deployments : events).error()));
  std::erase_if(*deployments,
                [&](const Json& one) { return kind->kind != "Service" || !selects(*object, one); });
  std::erase_if(*pods, [&](const Json& pod) { return kind->kind == "Pod" || !is_instance_of(pod, *object); });
  std::erase_if(*events, [&](const Json& event) {
    const std::string involved = text_at(event, "/involvedObject/name");
    const bool of_pod = std::ranges::any_of(*pods, [&](const Json& pod) { return name_of(pod) == involved; });
    return !of_pod && (involved != name || text_at(event, "/involvedObject/kind") != kind->kind);
  });
  sort_events(*events);
  Shown out = head_text(*object);
  if (object->contains("spec")) out += section("Spec", yaml::print((*object)["spec"]));
  for (const auto* field : {"data", "binaryData"}) {
    if (object->contains(field))
      out +=
          section(*field == 'd' ? "Data" : "Binary data", yaml::print(model::without_values(*object)[field]));
  }
  out += conditions_text(*object, colour);
  out += table_of("Deployments", "Deployment", *deployments, colour);
  out += table_of("Instances", "Pod", *pods, colour);
  out += table_of("Events", "Event", *events, colour);
  co_return out;
}

struct Options {
  std::vector<std::string> words;
  std::string selector;
};

Result<void> run(const Invocation& invocation, const Options& options, const std::string& default_kind) {
  auto targets = parse_targets(options.words, default_kind);
  if (!targets) return std::unexpected(std::move(targets.error()));
  auto session = open_session(invocation, Absent::read);
  if (!session) return std::unexpected(std::move(session.error()));
  auto& [reactor, home, api] = **session;
  auto named = reactor.block_on(find_targets(api, std::move(*targets), invocation.ns, options.selector));
  if (!named) return std::unexpected(std::move(named.error()));
  Shown out;
  for (const auto& target : *named) {
    auto text =
        reactor.block_on(describe(api, target.kind, invocation.ns, target.name, wants_colour(STDOUT_FILENO)));
    if (!text) return std::unexpected(std::move(text.error()));
    if (!out.empty()) out += "\n";
    out += *text;
  }
  print(out);
  return {};
}

void add(Command parent, Invocation& invocation, const std::string& description, const std::string& examples,
         const std::string& default_kind) {
  auto options = std::make_shared<Options>();
  auto command = parent.add("describe", description, examples);
  command.option(default_kind.empty() ? "KIND" : "NAME", options->words, "What to describe",
                 {.required = true});
  if (default_kind.empty()) command.selector(options->selector);
  command.timeout(invocation);
  command.ns(invocation);
  command.home(invocation);
  command.run(invocation,
              [&invocation, options, default_kind] { return run(invocation, *options, default_kind); });
}

}  // namespace

void add_describe(Command parent, Invocation& invocation) {
  add(parent, invocation, "Show all about resources: state, conditions, instances, events",
      "weft describe service web\nweft describe deployments", "");
}

void add_service_describe(Command parent, Invocation& invocation) {
  add(parent, invocation, "Show all about a service: address, conditions, instances, events",
      "service describe simple-web-service", "Service");
}

}  // namespace weft::cli
