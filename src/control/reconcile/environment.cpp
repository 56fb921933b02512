#include "control/reconcile/environment.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <vector>

#include "base/expansion.h"
#include "control/reconcile/config.h"
#include "model/variables.h"

namespace weft::control::reconcile {
namespace {

const std::vector<model::ServicePort>& ports_of(const World& world, const model::Ref& service) {
  static const std::vector<model::ServicePort> none;
  const auto at = world.services().find(service);
  return at == world.services().end() ? none : at->second.service->spec.ports;
}

void add_service(const World& world, const model::Ref& caller, const model::NamedService& named,
                 const compile::Addresses& addresses, Variables& to) {
  const auto& [service, name] = named;
  const auto& ports = ports_of(world, service);
  const auto first = addresses.find(compile::outbound_key(caller, service));
  if (first == addresses.end()) return;
  const bool is_tcp = !ports.empty() && ports.front().traffic() == model::AppProtocol::tcp;
  to.emplace_back(name + "_SERVICE_HOST", first->second.ip());
  to.emplace_back(name + "_SERVICE_PORT", std::to_string(first->second.port()));
  to.emplace_back(name + "_URL", fmt::format("{}://{}", is_tcp ? "tcp" : "http", first->second.to_string()));
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (ports[i].name.empty()) continue;
    const auto further = i == 0 ? std::nullopt : std::optional(ports[i].port);
    const auto at = addresses.find(compile::outbound_key(caller, service, further));
    if (at == addresses.end()) continue;
    to.emplace_back(fmt::format("{}_SERVICE_PORT_{}", name, model::variable_name(ports[i].name)),
                    std::to_string(at->second.port()));
  }
}

/// Goes through the container's declarations in order.
class Declared {
 public:
  Declared(const World& world, const Instance& instance) : world_(world), instance_(instance) {}

  provider::Result<void> add_all(const model::EnvFromSource& source) {
    const bool is_secret = source.secret_ref.has_value();
    const auto& ref = is_secret ? *source.secret_ref : *source.config_map_ref;
    const auto config = find_config(world_, is_secret, instance_.ns(), ref.name);
    if (!config && ref.optional) return {};
    if (!config) return std::unexpected(config.error());
    for (const auto& [key, value] : config->texts()) {
      if (auto added = add(source.prefix + key, value, *config); !added) return added;
    }
    return {};
  }

  provider::Result<void> add(const model::EnvVar& variable) {
    if (!variable.value_from) {
      variables.emplace_back(variable.name, variable.value);
      return {};
    }
    const auto& source = *variable.value_from;
    if (source.field_ref) {
      variables.emplace_back(variable.name, base::literal(field(source.field_ref->field_path)));
      return {};
    }
    const bool is_secret = source.secret_key_ref.has_value();
    const auto& ref = is_secret ? *source.secret_key_ref : *source.config_map_key_ref;
    const auto config = find_config(world_, is_secret, instance_.ns(), ref.name);
    if (!config && ref.optional) return {};
    if (!config) return std::unexpected(config.error());
    const auto texts = config->texts();
    const auto value = texts.find(ref.key);
    if (value != texts.end()) return add(variable.name, value->second, *config);
    if (ref.optional) return {};
    return std::unexpected(config->no_key(ref.key));
  }

  Variables variables;

 private:
  provider::Result<void> add(std::string name, const std::string& value, const Config& config) {
    bytes_ += name.size() + value.size();
    if (bytes_ > base::most_container_bytes) {
      return base::fail(provider::ProviderErrorKind::wrong_config,
                        fmt::format("the variables from ConfigMaps and Secrets have more than {} bytes: give "
                                    "{} to the program as a volume",
                                    base::most_container_bytes, config.to_string()));
    }
    if (!is_text(value)) {
      return base::fail(provider::ProviderErrorKind::wrong_config,
                        fmt::format("the value of {} in {} is no text: give it to the program as a volume",
                                    name, config.to_string()));
    }
    variables.emplace_back(std::move(name), base::literal(value));
    return {};
  }

  std::string field(std::string_view path) const {
    const auto* workload = world_.find_workload(instance_.workload);
    const model::ObjectMeta none;
    const auto& metadata = workload ? workload->pod_template().metadata : none;
    const auto labels = with_own_labels(metadata.labels, instance_);
    const auto& account = instance_.pod->service_account_name;
    return model::field_value(path, {.name = instance_.name,
                                     .ns = instance_.ns(),
                                     .node = instance_.node,
                                     .service_account = account.empty() ? instance_.workload.name : account,
                                     .labels = labels,
                                     .annotations = metadata.annotations});
  }

  const World& world_;
  const Instance& instance_;
  std::size_t bytes_ = 0;
};

}  // namespace

std::set<std::string, std::less<>> environment_keys(const World& world, const model::Workload& node) {
  std::set<std::string, std::less<>> keys;
  for (const auto& dependency : node.dependencies) {
    if (dependency.target.kind != model::DependencyKind::service) continue;
    keys.insert(compile::outbound_key(node.ref, dependency.target));
    const auto& ports = ports_of(world, dependency.target);
    for (std::size_t i = 1; i < ports.size(); ++i) {
      keys.insert(compile::outbound_key(node.ref, dependency.target, ports[i].port));
    }
  }
  return keys;
}

provider::Result<Variables> environment(const World& world, const model::Workload& node,
                                        const Instance& instance, const compile::Addresses& addresses) {
  Declared declared(world, instance);
  for (const auto& named : model::named_services(node))
    add_service(world, node.ref, named, addresses, declared.variables);
  const auto& container = instance.pod->containers.front();
  for (const auto& source : container.env_from) {
    if (auto added = declared.add_all(source); !added) return std::unexpected(added.error());
  }
  for (const auto& variable : container.env) {
    if (auto added = declared.add(variable); !added) return std::unexpected(added.error());
  }
  return std::move(declared.variables);
}

}  // namespace weft::control::reconcile
