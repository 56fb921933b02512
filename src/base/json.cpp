#include "base/json.h"

#include <string>

namespace weft::base {
namespace {

/// What the heap needs beside each allocation, and a node of a tree beside its value.
constexpr std::size_t heap_bytes = 16;
constexpr std::size_t tree_node_bytes = 32;

/// Of a string's text, which is on the heap if it is not short.
std::size_t text_bytes(const std::string& text) {
  return text.capacity() > std::string().capacity() ? text.capacity() + 1 + heap_bytes : 0;
}

}  // namespace

std::size_t memory_of(const Json& json) {
  std::size_t bytes = sizeof(Json);
  if (const auto* text = json.get_ptr<const std::string*>()) {
    bytes += sizeof(std::string) + heap_bytes + text_bytes(*text);
  } else if (const auto* object = json.get_ptr<const Json::object_t*>()) {
    bytes += sizeof(Json::object_t) + heap_bytes;
    for (const auto& [key, value] : *object)
      bytes += tree_node_bytes + heap_bytes + sizeof(std::string) + text_bytes(key) + memory_of(value);
  } else if (const auto* array = json.get_ptr<const Json::array_t*>()) {
    bytes += sizeof(Json::array_t) + 2 * heap_bytes + (array->capacity() - array->size()) * sizeof(Json);
    for (const auto& value : *array) bytes += memory_of(value);
  }
  return bytes;
}

}  // namespace weft::base
