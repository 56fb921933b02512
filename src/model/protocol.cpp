// The numbers are IANA's (Service Name and Transport Protocol Port Number Registry), or the servers' own
// defaults.
#include "model/protocol.h"

#include <algorithm>
#include <array>

namespace weft::model {
namespace {

// The first that fits holds: `grpc-web` stands before `grpc`.
constexpr Protocol table[] = {
    {"HTTP", {"http", "ws", "grpc-web", "kubernetes.io/ws"}, {}, AppProtocol::http},
    {"HTTP/2", {"http2", "h2c", "kubernetes.io/h2c"}, {}, AppProtocol::http2},
    {"gRPC", {"grpc"}, {}, AppProtocol::http2},
    {"TCP", {"tcp"}, {}},
    {"TLS", {"https", "tls", "wss", "kubernetes.io/wss"}, {}},
    {"AMQP", {"amqp", "amqps", "rabbitmq"}, {5672, 5671}},
    {"Cassandra", {"cassandra", "cql"}, {9042}},
    {"FTP", {"ftp"}, {21}},
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
    {"ZooKeeper", {"zookeeper"}, {2181}},
};

/// Names of services have no case (RFC 6335, 5.1).
bool is_called(std::string_view name, std::string_view protocol) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  return !protocol.empty() && std::ranges::equal(name.substr(0, protocol.size()), protocol, {}, lower) &&
         (name.size() == protocol.size() || name[protocol.size()] == '-');
}

const Protocol* protocol_of_number(std::int32_t number) {
  const auto* found = std::ranges::find_if(table, [&](const Protocol& protocol) {
    return number != 0 && std::ranges::find(protocol.numbers, number) != protocol.numbers.end();
  });
  return found == std::end(table) ? nullptr : found;
}

}  // namespace

std::span<const Protocol> protocols() { return table; }

const Protocol* protocol_of_name(std::string_view name) {
  const auto* found = std::ranges::find_if(table, [&](const Protocol& protocol) {
    return std::ranges::any_of(protocol.names, [&](auto known) { return is_called(name, known); });
  });
  return found == std::end(table) ? nullptr : found;
}

const Protocol* guessed_protocol(const ServicePort& port) {
  if (!port.app_protocol.empty()) return nullptr;
  if (const Protocol* named = protocol_of_name(port.name)) return named;
  if (const Protocol* numbered = protocol_of_number(port.port)) return numbered;
  const std::int32_t* target = port.target_port.number();
  return target ? protocol_of_number(*target) : nullptr;
}

}  // namespace weft::model
