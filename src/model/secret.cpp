#include "model/secret.h"

#include <fmt/format.h>

#include <string>

#include "base/base64.h"
#include "model/resource.h"

namespace weft::model {
namespace {

using base::Json;

bool is_secret(const Json& document) {
  const auto kind = document.is_object() ? document.find("kind") : document.end();
  return document.is_object() && kind != document.end() && *kind == Secret::kind;
}

constexpr std::initializer_list<const char*> maps = {"data", "stringData"};

std::string hidden(const char* map, const Json& value) {
  const auto& text = value.get_ref<const std::string&>();
  const auto bytes = map == *maps.begin() ? base::decode_base64(text) : std::optional(text);
  if (!bytes && text.starts_with("(hidden")) return text;  // it has been here before
  return bytes ? fmt::format("(hidden, {} bytes)", bytes->size()) : "(hidden)";
}

/// All that stands there, also what is no map or no text: nobody knows what was meant.
void hide(Json& document) {
  for (const auto* map : maps) {
    const auto there = document.find(map);
    if (there == document.end() || there->is_null()) continue;
    if (!there->is_object()) {
      *there = "(hidden)";
      continue;
    }
    for (auto& [key, value] : there->items()) {
      if (value.is_null()) continue;  // a patch that removes it
      value = value.is_string() ? hidden(map, value) : "(hidden)";
    }
  }
}

/// Each value of a Secret becomes "(hidden)" if the other one has it too, else `text`.
void mark(Json& document, const Json& other, const char* text) {
  if (!is_secret(document)) return;
  for (const auto* map : maps) {
    const auto values = document.find(map);
    if (values == document.end() || !values->is_object()) continue;
    const auto there = other.is_object() ? other.find(map) : other.end();
    const bool has_map = other.is_object() && there != other.end() && there->is_object();
    for (auto& [key, value] : values->items()) {
      if (value.is_null()) continue;  // a patch that removes it
      value = has_map && there->value(key, Json()) == value ? "(hidden)" : text;
    }
  }
  hide_last_applied(document);
}

}  // namespace

Json with_folded_data(Json document) {
  if (!is_secret(document)) return document;
  const auto texts = document.find("stringData");
  if (texts == document.end() || !texts->is_object()) return document;
  auto& data = document["data"];
  if (data.is_null()) data = Json::object();
  if (!data.is_object()) return document;
  for (const auto& [key, value] : texts->items()) {
    if (!value.is_string()) return document;  // decode() says so
  }
  for (const auto& [key, value] : texts->items())
    data[key] = base::encode_base64(value.get_ref<const std::string&>());
  document.erase("stringData");
  return document;
}

void hide_last_applied(Json& document) {
  if (!is_secret(document)) return;
  const auto at = Json::json_pointer("/metadata/annotations");
  if (!document.contains(at) || !document[at].is_object()) return;
  const auto text = document[at].find(std::string(annotation::last_applied));
  if (text == document[at].end() || !text->is_string()) return;
  auto applied = Json::parse(text->get_ref<const std::string&>(), nullptr, false);
  if (!applied.is_object()) {
    document[at].erase(text);
    return;
  }
  hide(applied);
  *text = applied.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json without_values(Json document) {
  if (is_secret(document)) {
    hide(document);
    hide_last_applied(document);
  }
  if (const auto items = document.is_object() ? document.find("items") : document.end();
      document.is_object() && items != document.end() && items->is_array()) {
    const bool of_secrets = document.value("kind", Json()) == "SecretList";
    for (auto& item : *items) {
      if (of_secrets && item.is_object()) item["kind"] = std::string(Secret::kind);
      item = without_values(std::move(item));
    }
  }
  return document;
}

void hide_values(Json& before, Json& after) {
  const Json was = before;
  mark(before, after, "(hidden, before)");
  mark(after, was, "(hidden, after)");
}

}  // namespace weft::model
