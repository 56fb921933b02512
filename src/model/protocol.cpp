// The numbers are IANA's (Service Name and Transport Protocol Port Number Registry), or the servers' own
// defaults.
#include "model/protocol.h"

#include <algorithm>
#include <array>

namespace weft::model {
namespace {

constexpr Protocol table[] = {
    {"AMQP", {"amqp", "amqps", "rabbitmq"}, {5672, 5671}},
    {"Cassandra", {"cassandra", "cql"}, {9042}},
    {"FTP", {"ftp"}, {21}},
    {"gRPC", {"grpc"}, {}},
    {"HTTP/2", {"http2", "h2c"}, {}},
    {"IMAP", {"imap", "imaps"}, {143, 993}},
    {"Kafka", {"kafka"}, {9092}},
    {"LDAP", {"ldap", "ldaps"}, {389, 636}},
    {"Memcached", {"memcached", "memcache"}, {11211}},
    {"MongoDB", {"mongo", "mongodb"}, {27017, 27018, 27019}},
    {"MQTT", {"mqtt", "mqtts"}, {1883, 8883}},
    {"MySQL", {"mysql", "mariadb"}, {3306}},
    {"NATS", {"nats"}, {4222}},
    {"POP3", {"pop3", "pop3s"}, {110, 995}},
    {"PostgreSQL", {"postgres", "postgresql", "pgsql"}, {5432}},
    {"Redis", {"redis", "rediss", "valkey"}, {6379}},
    {"SMTP", {"smtp", "smtps", "submission"}, {25, 465, 587}},
    {"SQL Server", {"mssql", "sqlserver"}, {1433}},
    {"SSH", {"ssh", "sftp"}, {22}},
    {"TLS", {"https", "tls"}, {}},
    {"ZooKeeper", {"zookeeper"}, {2181}},
};

/// The part of a name that says the protocol: "http" of "http-admin".
std::string_view prefix_of(std::string_view name) { return name.substr(0, name.find('-')); }

const Protocol* protocol_of_number(std::int32_t number) {
  const auto* found = std::ranges::find_if(table, [&](const Protocol& protocol) {
    return number != 0 && std::ranges::find(protocol.numbers, number) != protocol.numbers.end();
  });
  return found == std::end(table) ? nullptr : found;
}

}  // namespace

std::span<const Protocol> protocols() { return table; }

const Protocol* protocol_of_name(std::string_view name) {
  // gRPC-Web is made for HTTP/1.1.
  if (name.empty() || name.starts_with("grpc-web")) return nullptr;
  const auto* found = std::ranges::find_if(table, [&](const Protocol& protocol) {
    return std::ranges::find(protocol.names, prefix_of(name)) != protocol.names.end();
  });
  return found == std::end(table) ? nullptr : found;
}

const Protocol* guessed_protocol(const ServicePort& port) {
  if (!port.app_protocol.empty()) return nullptr;
  const auto prefix = prefix_of(port.name);
  if (prefix == "http" || prefix == "ws" || prefix == "tcp" || port.name.starts_with("grpc-web"))
    return nullptr;
  if (const Protocol* named = protocol_of_name(port.name)) return named;
  if (const Protocol* numbered = protocol_of_number(port.port)) return numbered;
  const std::int32_t* target = port.target_port.number();
  return target ? protocol_of_number(*target) : nullptr;
}

}  // namespace weft::model
