#include "provider/process/protocol.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::provider::process {
namespace {

using base::Json;

/// Runs a decoder; nlohmann's exceptions about missing fields and wrong types end here.
template <class Decode>
auto decoded(std::string_view what, const Decode& decode) -> Result<decltype(decode())> {
  try {
    return decode();
  } catch (const Json::exception& error) {
    return base::fail(ProviderErrorKind::failed, fmt::format("malformed {}: {}", what, error.what()));
  }
}

std::int64_t to_ns(base::WallTime time) { return time.time_since_epoch().count(); }
base::WallTime from_ns(const Json& json) { return base::WallTime(base::Duration(json.get<std::int64_t>())); }

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::starting: return "starting";
    case Phase::running: return "running";
    case Phase::stopping: return "stopping";
    case Phase::exited: return "exited";
  }
  return {};
}

Phase phase_from(const std::string& text) {
  for (auto phase : {Phase::starting, Phase::running, Phase::stopping}) {
    if (to_string(phase) == text) return phase;
  }
  return Phase::exited;
}

Json port_json(const ContainerPort& port) { return {{"name", port.name}, {"number", port.number}}; }
ContainerPort port_from(const Json& json) {
  return {json.at("name").get<std::string>(), json.at("number").get<std::uint16_t>()};
}

Json exit_json(const Exit& exit) {
  Json json{{"at", to_ns(exit.at)}};
  if (exit.code) json["code"] = *exit.code;
  if (exit.signal) json["signal"] = *exit.signal;
  return json;
}

Exit exit_from(const Json& json) {
  Exit exit;
  exit.at = from_ns(json.at("at"));
  if (json.contains("code")) exit.code = json.at("code").get<int>();
  if (json.contains("signal")) exit.signal = json.at("signal").get<int>();
  return exit;
}

/// What comes from outside must not overflow where a deadline is made of it.
constexpr auto longest_limit = std::chrono::years(100);

void put_credentials(const std::optional<Credentials>& who, Json& to) {
  if (who) to["credentials"] = {{"uid", who->uid}, {"gid", who->gid}, {"groups", who->groups}};
}

std::optional<Credentials> credentials_in(const Json& json) {
  const auto found = json.find("credentials");
  if (found == json.end()) return {};
  return Credentials{found->at("uid").get<std::uint32_t>(), found->at("gid").get<std::uint32_t>(),
                     found->at("groups").get<std::vector<std::uint32_t>>()};
}

}  // namespace

Json to_json(const OwnProcess& process) {
  return {{"pid", process.pid},
          {"restarts", process.restarts},
          {"lastExit", process.last_exit},
          {"before", process.before}};
}

OwnProcess own_process_from_json(const Json& json) {
  return {json.at("pid").get<pid_t>(), json.at("restarts").get<int>(), json.at("lastExit").get<std::string>(),
          json.value("before", std::vector<pid_t>())};
}

Json to_json(const InstanceSpec& spec) {
  auto ports = Json::array();
  for (const auto& port : spec.ports) ports.push_back(port_json(port));
  Json json{{"id", spec.id},
            {"image", spec.image},
            {"command", spec.command},
            {"args", spec.args},
            {"environment", spec.environment},
            {"workingDirectory", spec.working_directory},
            {"ports", std::move(ports)},
            {"graceMs", spec.grace.count()},
            {"labels", spec.labels}};
  put_credentials(spec.credentials, json);
  return json;
}

std::chrono::milliseconds time_limit(const Json& json) {
  using std::chrono::milliseconds;
  return std::clamp(milliseconds(json.get<std::int64_t>()), milliseconds(0), milliseconds(longest_limit));
}

Result<InstanceSpec> spec_from_json(const Json& json) {
  return decoded("spec", [&] {
    InstanceSpec spec;
    spec.id = json.at("id").get<std::string>();
    spec.image = json.at("image").get<std::string>();
    spec.command = json.at("command").get<std::vector<std::string>>();
    spec.args = json.at("args").get<std::vector<std::string>>();
    spec.environment = json.at("environment").get<std::vector<std::pair<std::string, std::string>>>();
    spec.working_directory = json.at("workingDirectory").get<std::string>();
    for (const auto& port : json.at("ports")) spec.ports.push_back(port_from(port));
    spec.grace = time_limit(json.at("graceMs"));
    spec.labels = json.at("labels").get<std::map<std::string, std::string>>();
    spec.credentials = credentials_in(json);
    return spec;
  });
}

Json to_json(const Instance& instance) {
  auto ports = Json::array();
  for (const auto& bound : instance.ports) {
    auto port = port_json(bound.port);
    port["address"] = bound.address.to_string();
    port["fixed"] = bound.is_fixed;
    ports.push_back(std::move(port));
  }
  Json json{{"id", instance.id},         {"phase", to_string(instance.phase)},
            {"pid", instance.pid},       {"startedAt", to_ns(instance.started_at)},
            {"ports", std::move(ports)}, {"labels", instance.labels},
            {"note", instance.note}};
  if (instance.exit) json["exit"] = exit_json(*instance.exit);
  return json;
}

Result<Instance> instance_from_json(const Json& json) {
  return decoded("instance", [&] {
    Instance instance;
    instance.id = json.at("id").get<std::string>();
    instance.phase = phase_from(json.at("phase").get<std::string>());
    instance.pid = json.at("pid").get<int>();
    instance.started_at = from_ns(json.at("startedAt"));
    for (const auto& port : json.at("ports")) {
      auto address = base::Address::parse(port.at("address").get<std::string>());
      instance.ports.push_back(
          {port_from(port), address.value_or(base::Address()), port.value("fixed", false)});
    }
    instance.labels = json.at("labels").get<std::map<std::string, std::string>>();
    instance.note = json.at("note").get<std::string>();
    if (json.contains("exit")) instance.exit = exit_from(json.at("exit"));
    return instance;
  });
}

Json to_json(const Located& located) {
  return {{"instance", to_json(located.instance)}, {"fault", located.fault.substr(0, detail_bytes)}};
}

Result<Located> located_from_json(const Json& json) {
  auto fault = decoded("place", [&json] { return json.at("fault").get<std::string>(); });
  if (!fault) return std::unexpected(fault.error());
  auto instance = instance_from_json(json.value("instance", Json::object()));
  if (!instance) return std::unexpected(instance.error());
  return Located{std::move(*instance), std::move(*fault)};
}

Json to_json(const SupervisorStatus& status) {
  return {{"pid", status.pid},
          {"keeper", to_json(status.keeper)},
          {"restarts", status.restarts},
          {"lastEnd", status.last_end},
          {"startedAt", to_ns(status.started_at)},
          {"cgroups", status.cgroups},
          {"limitsProcesses", status.limits_processes},
          {"images", status.images},
          {"stopping", status.stopping},
          {"instances", status.instances},
          {"endsWithKeeper", status.ends_with_keeper},
          {"keptByManager", status.kept_by_manager},
          {"controlPlane", to_json(status.control_plane)},
          {"proxy", to_json(status.proxy)}};
}

Result<SupervisorStatus> status_from_json(const Json& json) {
  return decoded("status", [&] {
    SupervisorStatus status;
    status.pid = json.at("pid").get<pid_t>();
    status.keeper = own_process_from_json(json.at("keeper"));
    status.restarts = json.at("restarts").get<int>();
    status.last_end = json.at("lastEnd").get<std::string>();
    status.started_at = from_ns(json.at("startedAt"));
    status.cgroups = json.at("cgroups").get<bool>();
    status.limits_processes = json.at("limitsProcesses").get<bool>();
    status.images = json.at("images").get<std::vector<std::string>>();
    status.stopping = json.at("stopping").get<bool>();
    status.instances = json.at("instances").get<std::size_t>();
    status.ends_with_keeper = json.value("endsWithKeeper", false);
    status.kept_by_manager = json.value("keptByManager", false);
    status.control_plane = own_process_from_json(json.at("controlPlane"));
    status.proxy = own_process_from_json(json.at("proxy"));
    return status;
  });
}

Json to_json(const Surroundings& surroundings) {
  Json json{{"environment", surroundings.environment},
            {"directory", surroundings.directory},
            {"cgroup", surroundings.cgroup}};
  put_credentials(surroundings.credentials, json);
  return json;
}

Result<Surroundings> surroundings_from_json(const Json& json) {
  return decoded("surroundings", [&] {
    return Surroundings{json.at("environment").get<std::vector<std::string>>(),
                        json.at("directory").get<std::string>(), json.at("cgroup").get<std::string>(),
                        credentials_in(json)};
  });
}

Json to_json(const ProviderError& error) {
  return {{"kind", to_string(error.kind)}, {"detail", error.detail.substr(0, detail_bytes)}};
}

ProviderError error_from_json(const Json& json) {
  auto text = [&json](const char* field) {
    auto found = json.find(field);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  ProviderError error{ProviderErrorKind::failed, text("detail")};
  for (auto kind :
       {ProviderErrorKind::image_not_found, ProviderErrorKind::image_not_executable,
        ProviderErrorKind::no_free_port, ProviderErrorKind::port_in_use, ProviderErrorKind::wrong_config,
        ProviderErrorKind::not_found, ProviderErrorKind::already_exists, ProviderErrorKind::unavailable,
        ProviderErrorKind::timed_out, ProviderErrorKind::not_seen}) {
    if (provider::to_string(kind) == text("kind")) error.kind = kind;
  }
  return error;
}

}  // namespace weft::provider::process
