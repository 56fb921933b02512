// `control-plane create service`: a Deployment and a Service that are not started yet.
#include <fmt/format.h>

#include <charconv>

#include "base/words.h"
#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/paths.h"
#include "cli/session.h"
#include "model/decode.h"
#include "model/kinds.h"
#include "model/protocol.h"
#include "model/resource.h"
#include "model/values.h"
#include "provider/process/image.h"

namespace weft::cli {

using base::Json;
using message::Method;
using runtime::Task;

namespace {

struct Options {
  std::string name;
  std::string image;
  int replicas = 1;
  std::vector<std::string> ports = {"80"};
  std::vector<std::string> env;
  std::string command;
  std::vector<std::string> depends_on;
  std::string provider;
};

std::optional<int> parse_port_number(std::string_view text) {
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1 || value > 65535)
    return std::nullopt;
  return value;
}

struct Port {
  /// Empty for one alone that says nothing.
  std::string name;
  int number = 0;
  int target = 0;
  /// As its Service says; may be empty.
  std::string protocol;

  Json named(Json fields) const {
    if (!name.empty()) fields["name"] = name;
    return fields;
  }
};

/// What programs find it by: the protocol, with the number where there are several. Not every protocol's name
/// is one of a port too.
std::string name_of_port(const std::string& protocol, int number, bool only) {
  auto name = only ? protocol : fmt::format("{}-{}", protocol, number);
  if (model::port_name_fault(name).empty()) return name;
  return only ? std::string() : fmt::format("port-{}", number);
}

/// PORT[:TARGET][/PROTOCOL]; without one, what Services take such a number for.
Result<Port> parse_port(const std::string& text, bool only) {
  std::string_view numbers(text);
  std::string protocol;
  if (const auto slash = numbers.find('/'); slash != std::string_view::npos) {
    protocol = numbers.substr(slash + 1);
    numbers = numbers.substr(0, slash);
  }
  const auto colon = std::min(numbers.find(':'), numbers.size());
  const auto number = parse_port_number(numbers.substr(0, colon));
  const auto target = colon == numbers.size() ? number : parse_port_number(numbers.substr(colon + 1));
  const bool is_said = numbers.size() < text.size();
  if (!number || !target || (is_said && model::protocol_of_name(protocol) == nullptr)) {
    return failure(Exit::usage, fmt::format("--port={} is not a port", text), {},
                   "write PORT, PORT:CONTAINERPORT, or either with what it speaks: 80, 80:8080, 7000/tcp, "
                   "50051/grpc");
  }
  const model::ServicePort port{.port = *number, .target_port = {*target}};
  if (!is_said && model::guessed_protocol(port)) protocol = "tcp";
  return Port{name_of_port(protocol, *number, only), *number, *target, protocol};
}

/// [KIND/]NAME[:CONDITION]
Json parse_dependency(const std::string& text) {
  Json entry = {{"kind", "Service"}};
  const auto colon = std::min(text.find(':'), text.size());
  std::string name = text.substr(0, colon);
  if (const auto slash = name.find('/'); slash != std::string::npos) {
    const auto* kind = model::find_kind(name.substr(0, slash));
    entry["kind"] = kind != nullptr ? std::string(kind->kind) : name.substr(0, slash);
    name.erase(0, slash + 1);
  }
  entry["name"] = name;
  if (colon < text.size()) entry["condition"] = text.substr(colon + 1);
  return entry;
}

struct Pair {
  Json deployment;
  Json service;
};

Result<Json> container_of(const Options& options, const std::vector<Port>& ports) {
  Json container = {{"name", options.name}, {"image", resolve_image(options.image)}};
  for (const auto& port : ports) container["ports"].push_back(port.named({{"containerPort", port.target}}));
  for (const auto& entry : options.env) {
    const auto equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) {
      return failure(Exit::usage, fmt::format("--env={} is not NAME=VALUE", entry), {},
                     "write --env NAME=VALUE");
    }
    container["env"].push_back({{"name", entry.substr(0, equals)}, {"value", entry.substr(equals + 1)}});
  }
  if (!options.command.empty()) {
    auto words = base::split_words(options.command);
    if (!words) {
      return failure(Exit::usage, "--command has a quote without its end", options.command,
                     "write it as for a shell: --command='./server --name \"my shop\"'");
    }
    container["command"] = *words;
  }
  return container;
}

Result<Pair> documents_of(const Options& options, const std::string& ns) {
  std::vector<Port> ports;
  for (const auto& text : options.ports) {
    auto port = parse_port(text, options.ports.size() == 1);
    if (!port) return std::unexpected(std::move(port.error()));
    ports.push_back(std::move(*port));
  }
  auto container = container_of(options, ports);
  if (!container) return std::unexpected(std::move(container.error()));
  const Json labels = {{"app", options.name}};
  const Json metadata = {{"name", options.name}, {"namespace", ns}, {"labels", labels}};
  Json deployment = {
      {"apiVersion", "apps/v1"},
      {"kind", "Deployment"},
      {"metadata", metadata},
      {"spec",
       {{"replicas", 0},
        {"selector", {{"matchLabels", labels}}},
        {"template",
         {{"metadata", {{"labels", labels}}}, {"spec", {{"containers", Json::array({*container})}}}}}}}};
  Json& annotations = deployment["metadata"]["annotations"];
  annotations[std::string(model::annotation::replicas)] = std::to_string(options.replicas);
  if (!options.provider.empty()) annotations[std::string(model::annotation::provider)] = options.provider;
  Json service = {{"apiVersion", "v1"},
                  {"kind", "Service"},
                  {"metadata", metadata},
                  {"spec", {{"selector", labels}, {"ports", Json::array()}}}};
  for (const auto& port : ports) {
    auto entry = port.named({{"port", port.number}, {"targetPort", port.target}});
    if (!port.protocol.empty()) entry["appProtocol"] = port.protocol;
    service["spec"]["ports"].push_back(std::move(entry));
  }
  for (const auto& text : options.depends_on) service["spec"]["dependsOn"].push_back(parse_dependency(text));
  return Pair{std::move(deployment), std::move(service)};
}

/// What is wrong with a document, field by field.
Result<void> check(const Json& document) {
  const auto decoded = model::decode(document);
  if (decoded.resource) return {};
  Failure failure{Exit::invalid, fmt::format("{} is not valid", kind_and_name(document)), {}, {}, {}};
  for (const auto& diagnostic : decoded.diagnostics) {
    if (diagnostic.severity != base::Severity::error) continue;
    if (!failure.where.empty()) failure.where += '\n';
    failure.where += fmt::format("{}: {}", diagnostic.field, diagnostic.message);
    if (failure.mend.empty()) failure.mend = diagnostic.mend;
  }
  return std::unexpected(std::move(failure));
}

Task<Result<Json>> create_one(Api& api, Json document) {
  const auto* kind = model::find_kind(text_at(document, "/kind"));
  const std::string path = rest_path(*kind, namespace_of(document));
  const std::string which = kind_and_name(document);
  const std::string name = name_of(document);
  auto reply = co_await api.call(Method::post, path, std::move(document), Again::only_if_unsent);
  if (!reply) co_return std::unexpected(std::move(reply.error()));
  if (text_at(reply->body, "/reason") == "AlreadyExists") {
    co_return failure(Exit::failed, fmt::format("{} exists already", which), {},
                      fmt::format("choose another name, change it with `weft apply`, or delete it first: "
                                  "control-plane delete service {}",
                                  name));
  }
  if (!reply->ok()) co_return std::unexpected(failure_of(*reply));
  for (const auto& warning : reply->warnings) warn(warning);
  co_return std::move(reply->body);
}

/// Both or none.
Task<Result<Pair>> create_pair(Api& api, Pair pair) {
  const std::string path =
      rest_path(*model::find_kind("Deployment"), namespace_of(pair.deployment), name_of(pair.deployment));
  auto deployment = co_await create_one(api, std::move(pair.deployment));
  if (!deployment) co_return std::unexpected(std::move(deployment.error()));
  auto service = co_await create_one(api, std::move(pair.service));
  if (!service) {
    (void)co_await api.call(Method::delete_, path);
    co_return std::unexpected(std::move(service.error()));
  }
  co_return Pair{std::move(*deployment), std::move(*service)};
}

/// Says if `start` would find no image; it may be made until then.
void warn_of_image(Session& session, const Options& options) {
  if (!options.provider.empty() && options.provider != "process") return;
  const auto image = provider::process::find_image(resolve_image(options.image), images_in_force(session));
  if (!image) warn(image.error().detail + "; `start` fails until this is mended");
}

Result<void> run(const Invocation& invocation, const Options& options) {
  auto pair = documents_of(options, invocation.ns);
  if (!pair) return std::unexpected(std::move(pair.error()));
  for (const auto* document : {&pair->deployment, &pair->service}) {
    if (auto checked = check(*document); !checked) return checked;
  }
  auto session = open_session(invocation, Absent::start);
  if (!session) return std::unexpected(std::move(session.error()));
  auto created = (*session)->reactor.block_on(create_pair((*session)->api, std::move(*pair)));
  if (!created) return std::unexpected(std::move(created.error()));
  warn_of_image(**session, options);
  if (wants_documents(invocation)) {
    print(show_documents({created->deployment, created->service}, invocation, false));
  } else if (invocation.format == Format::name) {
    print(fmt::format("service/{}\n", options.name));
  } else {
    print(fmt::format("service/{} created, not started yet\n", options.name));
    print(fmt::format("start it with: control-plane start service {}{}\n", options.name,
                      invocation.ns == "default" ? "" : " -n " + invocation.ns));
  }
  return {};
}

}  // namespace

void add_service_create(Command parent, Invocation& invocation, bool with_kind) {
  auto options = std::make_shared<Options>();
  const std::string verb = with_kind ? "control-plane create service " : "service create ";
  const std::string examples = verb + "simple-web-service --image=example-web-service\n" + verb +
                               "web --image=example-web-service --replicas=2 --port=80:8080 --depends-on=db";
  Command at = parent;
  if (with_kind) {
    at = parent.add("create", "Create a service that is not started yet", examples);
    at.needs_subcommand();
  }
  auto command =
      at.add(with_kind ? "service" : "create", "Create a service that is not started yet", examples);
  command.option("NAME", options->name, "Name of the service and of its Deployment", {.required = true});
  command.option("--image", options->image,
                 "What to run: an image's name, or a path that begins with /, ./ or ../",
                 {.required = true, .value = "IMAGE"});
  command.option("--replicas", options->replicas, "Instances that `start` starts [1]", 1, 10'000);
  command.option("--port", options->ports,
                 "PORT[:CONTAINERPORT][/PROTOCOL] that it serves; may be repeated [80]");
  command.option("--env", options->env, "NAME=VALUE in its environment; may be repeated");
  command.option("--command", options->command,
                 "Command line in place of the image's, quoted as for a shell");
  command.option("--depends-on", options->depends_on,
                 "[KIND/]NAME[:CONDITION] it needs (started, ready, completed); may be repeated");
  command.option("--provider", options->provider, "What runs its instances [process]");
  command.timeout(invocation);
  command.ns(invocation);
  command.output(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options] { return run(invocation, *options); });
}

}  // namespace weft::cli
