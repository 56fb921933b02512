// Reads the config file's nodes: config.cpp has what files are made of, config_routes.cpp the routes,
// config_tls.cpp TLS.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/diagnostic.h"
#include "snapshot/config.h"
#include "snapshot/config_codes.h"
#include "snapshot/snapshot.h"
#include "yaml/lookalike.h"
#include "yaml/node.h"
#include "yaml/parse.h"

namespace weft::snapshot {

/// The words of one closed set in the file.
template <class Value>
struct Word {
  std::string_view text;
  Value value;
};

/// What to do where text belongs and `node` is something else.
inline std::string_view as_text(const yaml::Node& node) {
  return node.is_map() || node.is_list() ? "write one text" : "put it in quotes";
}

/// Reads the nodes of one file into a Snapshot and notes what is wrong with them.
class ConfigReader {
 public:
  ConfigReader(const yaml::Source& source, const ReadFile& read, const CheckTls& check)
      : source_(source), read_(read), check_(check) {}

  void read(const yaml::Node& root);
  Snapshot snapshot;
  base::Diagnostics diagnostics;

 private:
  void error(std::string_view code, base::Position position, std::string message, std::string mend) {
    diagnostics.add(base::Severity::error, [&] {
      return yaml::blame_lookalike(source_,
                                   source_.error(code, position, std::move(message), std::move(mend)));
    });
  }
  /// Whether `node` is a map; its fields that are not in `known` are errors.
  bool map_of(const yaml::Node& node, std::string_view what, std::initializer_list<std::string_view> known,
              std::string_view example = {});
  const yaml::List* list_of(const yaml::Node& parent, std::string_view field, bool is_required,
                            std::string_view example = {});
  /// The field's text, which is not empty; nothing (and an error if it is required) if it is not there.
  std::optional<std::string> text(const yaml::Node& map, std::string_view field, bool is_required);
  std::optional<base::Address> address(const yaml::Node& node);
  template <class Value, std::size_t size>
  Value word(const yaml::Node& map, std::string_view field, const Word<Value> (&words)[size]);
  /// Zero is a value only where it means that there is no limit.
  enum class Zero : bool { refused, no_limit };
  void duration(const yaml::Node& map, std::string_view field, std::chrono::milliseconds& into,
                Zero zero = Zero::refused);
  /// "proxy.yaml:4:3".
  std::string place(base::Position position) const {
    return fmt::format("{}:{}:{}", source_.file(), position.line, position.column);
  }
  std::string first_at(base::Position position) const { return "; the first is at " + place(position); }
  void count(const yaml::Node& map, std::string_view field, std::uint32_t& into, std::uint32_t least = 1,
             std::uint32_t most = 1'000'000);
  void flag(const yaml::Node& map, std::string_view field, bool& into);

  void cluster(const yaml::Node& node);
  using Places = std::map<base::Address, base::Position>;
  void endpoint(const yaml::Node& node, Cluster& into, Places& known);
  void listener(const yaml::Node& node);
  /// That no field is there which listeners of its protocol do not have.
  void check_fields(const yaml::Node& node, const Listener& listener);
  /// What the field `tls` of a listener or a cluster says.
  Shared<ServerTls> server_tls(const yaml::Node& listener);
  Shared<ClientTls> client_tls(const yaml::Node& cluster);
  /// The file that the field names, and whether it is there as it must be.
  PemFile pem_file(const yaml::Node& map, std::string_view field, bool is_required);
  /// That they are what they must be; `ca_field` is the name of the authorities' field.
  void check_pem(const yaml::Node& map, const PemFile& certificate, const PemFile& key, const PemFile& ca,
                 std::string_view ca_field);
  /// Where a listener of TLS leads.
  void server_names(const yaml::Node& node, Listener& listener);
  void routes(const yaml::Node& node, Listener& listener);
  void timeout(const yaml::Node& node, Forward& forward);
  std::optional<Route> route(const yaml::Node& node, std::size_t number, const Listener& listener);
  Match match(const yaml::Node& node, const Listener& listener);
  std::string method(const yaml::Node& node, const Match& match, const Listener& listener);
  /// What its fields `headers` and `hasHeaders` ask for.
  std::vector<HeaderMatch> headers(const yaml::Node& node, const Listener& listener);
  /// What its fields `query` and `hasQuery` ask for.
  std::vector<QueryMatch> query(const yaml::Node& node);
  /// Names with values in the map `values`, names alone in the list `names` (none: no such field): of headers
  /// or of parameters. None may be there twice.
  struct Named {
    std::string_view what;
    std::string_view values;
    std::string_view names;
    std::string_view example;
  };
  using AddNamed = std::function<void(std::string name, std::optional<std::string> value, base::Position)>;
  void named(const yaml::Node& node, const Named& fields, const AddNamed& add);
  HeaderChanges header_changes(const yaml::Node& node);
  void check_header(const Match& match, base::Position position, const Listener& listener);
  Action action(const yaml::Node& node, const Match& match);
  Forward forward(const yaml::Node& node);
  Redirect redirect(const yaml::Node& node);
  Reply reply(const yaml::Node& node);
  std::vector<std::string> hosts(const yaml::Node& node);
  /// The cluster's name, whose endpoints are to be given that.
  enum class Carries : std::uint8_t { http, bytes, both };
  std::string cluster_name(const yaml::Node& map, Carries what);

  const yaml::Source& source_;
  const ReadFile& read_;
  const CheckTls& check_;
  /// Those that were read, by their paths.
  std::map<std::string, std::expected<Shared<std::string>, FileFault>> files_;
  struct KnownCluster {
    ClusterProtocol protocol;
    base::Position position;
  };
  std::map<std::string, KnownCluster> clusters_;
  std::map<std::string, base::Position> listener_names_;
  Places listener_addresses_;
};

template <class Value, std::size_t size>
Value ConfigReader::word(const yaml::Node& map, std::string_view field, const Word<Value> (&words)[size]) {
  const auto* node = map.find(field);
  if (node == nullptr) return words[0].value;
  const auto* text = node->string();
  const auto found =
      std::ranges::find_if(words, [&](const auto& one) { return text != nullptr && one.text == *text; });
  if (found != std::end(words)) return found->value;
  std::vector<std::string_view> known;
  for (const auto& one : words) known.push_back(one.text);
  error(code::bad_value, node->position, fmt::format("{} cannot be that", field),
        fmt::format("use one of {}", fmt::join(known, ", ")));
  return words[0].value;
}

}  // namespace weft::snapshot
