#include "model/load.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "model/codes.h"
#include "model/decode.h"
#include "model/kinds.h"

namespace weft::model {
namespace {

/// Loads the documents of one text.
class Loader {
 public:
  Loader(std::shared_ptr<const yaml::Source> source, const LoadOptions& options)
      : source_(std::move(source)), options_(options) {}

  void document(yaml::Node node) {
    const yaml::Node* kind = node.find("kind");
    const yaml::Node* items = node.find("items");
    // `kubectl get -o yaml` writes kind: List; the API itself writes ServiceList and so on.
    bool is_list = kind && kind->string() && kind->string()->ends_with("List") && items && items->is_list();
    if (!is_list) return resource(std::move(node));
    for (const yaml::Node& item : *items->list()) resource(item);
  }

  void append(base::Diagnostics diagnostics) { loaded_.diagnostics.append(std::move(diagnostics)); }

  Loaded finish() {
    bool is_empty = loaded_.objects.empty() && loaded_.diagnostics.empty();
    if (is_empty)
      loaded_.diagnostics.push_back(source_->error(code::empty, {}, "there is no resource in it",
                                                   "Write one: it begins with `apiVersion:` and `kind:`."));
    return std::move(loaded_);
  }

 private:
  void resource(yaml::Node node) {
    Decoded decoded = decode(node, source_.get());
    append(std::move(decoded.diagnostics));
    if (!decoded.resource) return;
    Object object{.json = yaml::to_json(node),
                  .resource = *std::move(decoded.resource),
                  .position = node.position,
                  .node = std::move(node),
                  .source = source_};
    const Kind* kind = find_kind(kind_of(object.resource));
    if (kind->namespaced) fill_namespace(object);
    if (is_first(object)) loaded_.objects.push_back(std::move(object));
  }

  void fill_namespace(Object& object) const {
    const yaml::Node* ns = yaml::find_path(object.node, "metadata.namespace");
    bool is_named = ns && ns->string() && !ns->string()->empty();
    if (!is_named)
      std::visit([&](auto& value) { value.metadata.ns = options_.default_namespace; }, object.resource);
    object.json["metadata"]["namespace"] = metadata_of(object.resource).ns;
  }

  bool is_first(const Object& object) {
    const ObjectMeta& metadata = metadata_of(object.resource);
    std::string name = fmt::format("{} {}{}{}", kind_of(object.resource), metadata.ns,
                                   metadata.ns.empty() ? "" : "/", metadata.name);
    auto [there, is_new] = first_.emplace(name, object.position.line);
    if (is_new) return true;
    loaded_.diagnostics.push_back(source_->error(
        code::duplicate_resource, yaml::locate(object.node, "metadata.name"),
        fmt::format("{} is here a second time; the first begins in line {}", name, there->second),
        "Remove one of the two, or rename it."));
    return false;
  }

  std::shared_ptr<const yaml::Source> source_;
  const LoadOptions& options_;
  Loaded loaded_;
  std::map<std::string, std::uint32_t> first_;
};

}  // namespace

Loaded load(std::string text, std::string file, const LoadOptions& options) {
  auto source = std::make_shared<const yaml::Source>(std::move(file), std::move(text));
  Loader loader(source, options);
  yaml::Parsed parsed = yaml::parse(*source);
  loader.append(std::move(parsed.diagnostics));
  for (yaml::Node& document : parsed.documents) loader.document(std::move(document));
  return loader.finish();
}

Object from_store(base::Json document, Resource resource) {
  return {.json = std::move(document),
          .resource = std::move(resource),
          .position = {},
          .node = {},
          .source = nullptr};
}

}  // namespace weft::model
