// A YAML document as a tree of plain values, each with the place where it stands in the text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/diagnostic.h"
#include "base/json.h"

namespace weft::yaml {

struct Entry;
struct Node;
using List = std::vector<Node>;
/// In the order of the text; keys are unique.
using Map = std::vector<Entry>;

/// One value. Built from JSON it has no position.
struct Node {
  std::variant<std::monostate, bool, std::int64_t, double, std::string, List, Map> value;
  base::Position position;

  bool is_null() const { return std::holds_alternative<std::monostate>(value); }
  bool is_map() const { return std::holds_alternative<Map>(value); }
  bool is_list() const { return std::holds_alternative<List>(value); }
  const bool* boolean() const { return std::get_if<bool>(&value); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&value); }
  const double* floating() const { return std::get_if<double>(&value); }
  const std::string* string() const { return std::get_if<std::string>(&value); }
  const List* list() const { return std::get_if<List>(&value); }
  const Map* map() const { return std::get_if<Map>(&value); }

  /// The entry of that key, null if this is no map or has none.
  const Entry* entry(std::string_view key) const;
  /// The value of that key, null if this is no map or has none.
  const Node* find(std::string_view key) const;
};

struct Entry {
  std::string key;
  base::Position position;
  Node value;
};

/// "a map", "a list", "a string", "a whole number", "a number", "true or false", "null": for messages.
std::string_view type_name(const Node& node);

/// The node at a field path ("spec.ports[0].port", "metadata.labels[app.kubernetes.io/name]"), null if there
/// is none.
const Node* find_path(const Node& root, std::string_view path);
/// Where that field stands: its key if it has one, else its value; of a path that does not exist, the deepest
/// part of it that does.
base::Position locate(const Node& root, std::string_view path);

base::Json to_json(const Node& node);
/// The document must not be deeper than max_depth (limits.h): see parse_json, which checks that.
Node from_json(const base::Json& json);

}  // namespace weft::yaml
