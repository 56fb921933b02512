// `get`: shows resources, and with --watch what becomes of them.
#include <fmt/format.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/target.h"
#include "model/secret.h"

namespace weft::cli {

using base::Json;
using runtime::Task;

namespace {

struct Options {
  std::vector<std::string> words;
  std::string selector;
  bool watch = false;
};

struct Found {
  const model::Kind* kind;
  std::vector<Json> objects;
};

Task<Result<std::vector<Found>>> fetch(Api& api, std::vector<Target> targets, std::string ns,
                                       std::string selector) {
  std::vector<Found> all;
  for (const auto& target : targets) {
    if (all.empty() || all.back().kind != target.kind) all.push_back({target.kind, {}});
    auto& objects = all.back().objects;
    const std::string path = rest_path(*target.kind, ns, target.name);
    if (target.name.empty()) {
      auto list = co_await api.list(with_query(path, {{"labelSelector", selector}}));
      if (!list) co_return std::unexpected(std::move(list.error()));
      if (target.kind->kind == "Event") sort_events(*list);
      objects.insert(objects.end(), std::make_move_iterator(list->begin()),
                     std::make_move_iterator(list->end()));
    } else {
      auto object = co_await api.get(path);
      if (!object) co_return std::unexpected(std::move(object.error()));
      objects.push_back(std::move(*object));
    }
  }
  // Whatever it is shown as.
  for (auto& part : all) {
    for (auto& object : part.objects) object = model::without_values(std::move(object));
  }
  co_return all;
}

void print_found(const std::vector<Found>& found, const Invocation& invocation, bool single) {
  if (wants_documents(invocation)) {
    std::vector<Json> all;
    for (const auto& part : found) all.insert(all.end(), part.objects.begin(), part.objects.end());
    print(show_documents(all, invocation, single));
    return;
  }
  bool first = true;
  bool any = false;
  for (const auto& part : found) {
    if (part.objects.empty()) continue;
    any = true;
    if (!std::exchange(first, false) && invocation.format != Format::name) print("\n");
    print(show(part.objects, *part.kind, invocation, false));
  }
  if (!any && invocation.format != Format::name) {
    tell(fmt::format("no {} {}\n", found.empty() ? "resources" : found.front().kind->plural,
                     invocation.all_namespaces ? "exist" : "in namespace " + invocation.ns));
  }
}

/// Shows one line for every change, until interrupted.
Result<void> watch(Session& session, const Invocation& invocation, const Target& target,
                   const Options& options) {
  const std::string ns = invocation.all_namespaces ? "" : invocation.ns;
  const std::string path =
      with_query(rest_path(*target.kind, ns),
                 {{"watch", "true"},
                  {"labelSelector", options.selector},
                  {"fieldSelector", target.name.empty() ? "" : "metadata.name=" + target.name}});
  std::string rest;
  const bool has_header = invocation.format != Format::name && !invocation.no_headers;
  bool header = true;
  auto on_line = [&](const std::string& line) {
    Json event = Json::parse(line, nullptr, false);
    if (event.is_discarded() || !event.contains("object")) return;
    event["object"] = model::without_values(std::move(event["object"]));
    if (invocation.format == Format::json) return print(event.dump() + "\n");
    if (invocation.format == Format::yaml) print("---\n");
    if (wants_documents(invocation)) return print(show_document(event["object"], invocation));
    std::string text = show({event["object"]}, *target.kind, invocation, false).text();
    if (has_header && !std::exchange(header, false)) text.erase(0, text.find('\n') + 1);
    if (text_at(event, "/type") == "DELETED") text.insert(text.size() - 1, "   (deleted)");
    print(Shown::as_it_is(std::move(text)));
  };
  auto on_bytes = [&](std::string_view bytes) {
    rest += bytes;
    for (std::size_t end; (end = rest.find('\n')) != std::string::npos;) {
      on_line(rest.substr(0, end));
      rest.erase(0, end + 1);
    }
  };
  return session.reactor.block_on(
      session.api.stream(message::Method::get, path, on_bytes, Limited::to_beginning));
}

Result<void> run(const Invocation& invocation, const Options& options) {
  auto targets = parse_targets(options.words);
  if (!targets) return std::unexpected(std::move(targets.error()));
  if (auto checked = check_selector(*targets, options.selector); !checked) return checked;
  if (options.watch && targets->size() > 1) {
    return failure(Exit::usage, "-w watches one kind, or one resource", {},
                   "run `weft get -w` once for each of them");
  }
  auto session = open_session(invocation, options.watch ? Absent::fail : Absent::read);
  if (!session) return std::unexpected(std::move(session.error()));
  if (options.watch) return watch(**session, invocation, targets->front(), options);
  auto found = (*session)->reactor.block_on(
      fetch((*session)->api, *targets, invocation.all_namespaces ? "" : invocation.ns, options.selector));
  if (!found) return std::unexpected(std::move(found.error()));
  print_found(*found, invocation, targets->size() == 1 && !targets->front().name.empty());
  return {};
}

}  // namespace

void add_get(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  auto command = parent.add("get", "Show resources",
                            "weft get services\nweft get service web -o yaml\nweft get pods,jobs -A -o wide\n"
                            "weft get services -l tier=front --no-headers\n"
                            "weft get services -o jsonpath='{.items[*].status.addresses[0].url}'");
  command.option("KIND", options->words, "KIND [NAME...], KIND/NAME..., or KIND,KIND", {.required = true});
  command.selector(options->selector);
  command.flag("-w,--watch", options->watch, "Show every change until interrupted");
  command.timeout(invocation);
  command.ns(invocation);
  command.all_namespaces(invocation);
  command.output(invocation);
  command.no_headers(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options] { return run(invocation, *options); });
}

namespace {

/// `get` of a kind that the command's name says.
void add_list(Command command, Invocation& invocation, const char* kind) {
  auto options = std::make_shared<Options>();
  options->words = {kind};
  command.selector(options->selector);
  command.timeout(invocation);
  command.ns(invocation);
  command.all_namespaces(invocation);
  command.output(invocation);
  command.no_headers(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options] { return run(invocation, *options); });
}

}  // namespace

void add_service_list(Command parent, Invocation& invocation) {
  add_list(parent.add("list", "Show all services", "service list\nservice list -o wide"), invocation,
           "services");
}

void add_ps(Command parent, Invocation& invocation) {
  add_list(parent.add("ps", "Show all instances: `get pods` in short", "weft ps\nweft ps -A -o wide"),
           invocation, "pods");
}

}  // namespace weft::cli
