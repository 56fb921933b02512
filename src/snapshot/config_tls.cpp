#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <utility>

#include "base/address.h"
#include "base/host.h"
#include "snapshot/config_codes.h"
#include "snapshot/config_reader.h"

namespace weft::snapshot {
namespace {

using yaml::Node;

/// Whether a certificate can be for it, and a server be asked for it.
bool is_server_name(std::string_view name) {
  if (base::Address::parse_ip(name, 0)) return true;
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  };
  return std::ranges::all_of(name, is_letter) && !name.ends_with('.') && !base::is_numeric(name) &&
         base::is_host_name(name);
}

}  // namespace

PemFile ConfigReader::pem_file(const Node& map, std::string_view field, bool is_required) {
  auto name = text(map, field, is_required);
  if (!name) return {};
  auto path = (std::filesystem::path(source_.file()).parent_path() / *name).string();
  const auto read = [&]() -> decltype(files_)::mapped_type {
    if (!read_) return std::unexpected(FileFault{"no files can be read here", "remove it"});
    auto pem = read_(path);
    if (!pem) return std::unexpected(std::move(pem.error()));
    return Shared(std::move(*pem));
  };
  auto known = files_.find(path);
  if (known == files_.end()) known = files_.emplace(path, read()).first;
  const auto& pem = known->second;
  if (!pem) {
    error(code::unreadable, map.find(field)->position, pem.error().why, pem.error().mend);
    return {};
  }
  return {std::move(path), *pem};
}

void ConfigReader::check_pem(const Node& map, const PemFile& certificate, const PemFile& key,
                             const PemFile& ca, std::string_view ca_field) {
  if (!check_) return;
  for (auto& fault : check_(certificate, key, ca)) {
    const auto field = fault.file == TlsFault::File::ca    ? ca_field
                       : fault.file == TlsFault::File::key ? "key"
                                                           : "certificate";
    error(code::bad_pem, map.find(field)->position, std::move(fault.why), std::move(fault.mend));
  }
}

Shared<ServerTls> ConfigReader::server_tls(const Node& listener) {
  const auto* node = listener.find("tls");
  if (node == nullptr) return {};
  if (!map_of(*node, "tls of a listener", {"certificate", "key", "clientCa"},
              "{certificate: web.crt, key: web.key}")) {
    return {};
  }
  ServerTls tls{.certificate = pem_file(*node, "certificate", true),
                .key = pem_file(*node, "key", true),
                .client_ca = pem_file(*node, "clientCa", false)};
  check_pem(*node, tls.certificate, tls.key, tls.client_ca, "clientCa");
  return Shared(std::move(tls));
}

Shared<ClientTls> ConfigReader::client_tls(const Node& cluster) {
  const auto* node = cluster.find("tls");
  if (node == nullptr) return {};
  if (!map_of(*node, "tls of a cluster", {"ca", "name", "certificate", "key"},
              "{ca: ca.crt, name: app.example}")) {
    return {};
  }
  const bool has_own = node->find("certificate") != nullptr || node->find("key") != nullptr;
  ClientTls tls{.name = text(*node, "name", true).value_or(""),
                .ca = pem_file(*node, "ca", true),
                .certificate = pem_file(*node, "certificate", has_own),
                .key = pem_file(*node, "key", has_own)};
  check_pem(*node, tls.certificate, tls.key, tls.ca, "ca");
  if (!tls.name.empty() && !is_server_name(tls.name)) {
    error(code::bad_value, node->find("name")->position,
          fmt::format("no certificate can be for {}", tls.name),
          "write the host name or the IP address that is in the service's certificate, without a port");
  }
  return Shared(std::move(tls));
}

}  // namespace weft::snapshot
