#include "yaml/node.h"

#include <charconv>
#include <optional>

namespace weft::yaml {
namespace {

/// One step of a field path: a key or an index.
struct Step {
  std::string_view key;
  std::optional<std::size_t> index;
};

/// Takes the first step off `path`. Brackets hold an index, or a key that has dots or slashes in it.
Step take_step(std::string_view& path) {
  Step step;
  if (path.starts_with('[')) {
    std::size_t close = path.find(']');
    std::string_view inside = path.substr(1, close == std::string_view::npos ? close : close - 1);
    path.remove_prefix(close == std::string_view::npos ? path.size() : close + 1);
    std::size_t index = 0;
    auto [end, error] = std::from_chars(inside.data(), inside.data() + inside.size(), index);
    if (error == std::errc{} && end == inside.data() + inside.size()) step.index = index;
    step.key = inside;
  } else {
    std::size_t end = std::min(path.find_first_of(".["), path.size());
    step.key = path.substr(0, end);
    path.remove_prefix(end);
  }
  if (path.starts_with('.')) path.remove_prefix(1);
  return step;
}

struct Found {
  const Node* node = nullptr;
  base::Position position;
};

/// Follows one step; `node` is null if it leads nowhere.
Found follow(const Node& from, const Step& step) {
  if (const List* list = from.list()) {
    if (!step.index || *step.index >= list->size()) return {};
    const Node& item = (*list)[*step.index];
    return {&item, item.position};
  }
  const Entry* entry = from.entry(step.key);
  return entry ? Found{&entry->value, entry->position} : Found{};
}

}  // namespace

const Entry* Node::entry(std::string_view key) const {
  if (const Map* entries = map()) {
    for (const Entry& entry : *entries)
      if (entry.key == key) return &entry;
  }
  return nullptr;
}

const Node* Node::find(std::string_view key) const {
  const Entry* found = entry(key);
  return found ? &found->value : nullptr;
}

std::string_view type_name(const Node& node) {
  constexpr std::string_view names[] = {"null",     "true or false", "a whole number", "a number",
                                        "a string", "a list",        "a map"};
  return names[node.value.index()];
}

const Node* find_path(const Node& root, std::string_view path) {
  const Node* node = &root;
  while (!path.empty() && node) node = follow(*node, take_step(path)).node;
  return node;
}

base::Position locate(const Node& root, std::string_view path) {
  Found found{&root, root.position};
  while (!path.empty()) {
    Found next = follow(*found.node, take_step(path));
    if (!next.node) break;
    found = next;
  }
  return found.position;
}

base::Json to_json(const Node& node) {
  switch (node.value.index()) {
    case 1: return *node.boolean();
    case 2: return *node.integer();
    case 3: return *node.floating();
    case 4: return *node.string();
    case 5: {
      base::Json list = base::Json::array();
      for (const Node& item : *node.list()) list.push_back(to_json(item));
      return list;
    }
    case 6: {
      base::Json object = base::Json::object();
      for (const Entry& entry : *node.map()) object.emplace(entry.key, to_json(entry.value));
      return object;
    }
    default: return nullptr;
  }
}

Node from_json(const base::Json& json) {
  switch (json.type()) {
    case base::Json::value_t::boolean: return {json.get<bool>(), {}};
    case base::Json::value_t::number_integer: return {json.get<std::int64_t>(), {}};
    case base::Json::value_t::number_unsigned:
      if (json.get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX))
        return {json.get<std::int64_t>(), {}};
      return {json.get<double>(), {}};
    case base::Json::value_t::number_float: return {json.get<double>(), {}};
    case base::Json::value_t::string: return {json.get_ref<const std::string&>(), {}};
    case base::Json::value_t::array: {
      List list;
      list.reserve(json.size());
      for (const base::Json& item : json) list.push_back(from_json(item));
      return {std::move(list), {}};
    }
    case base::Json::value_t::object: {
      Map map;
      map.reserve(json.size());
      for (const auto& [key, value] : json.items()) map.push_back({key, {}, from_json(value)});
      return {std::move(map), {}};
    }
    case base::Json::value_t::null:
    case base::Json::value_t::binary:
    case base::Json::value_t::discarded: return {};
  }
  return {};
}

}  // namespace weft::yaml
