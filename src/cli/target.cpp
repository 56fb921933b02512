// Words of the command line into resources.
#include "cli/target.h"

#include <fmt/format.h>

#include "base/nearest.h"

namespace weft::cli {

Result<const model::Kind*> parse_kind(const std::string& text) {
  if (const auto* kind = model::find_kind(text)) return kind;
  std::vector<std::string_view> names;
  for (const auto& kind : model::kinds()) {
    names.push_back(kind.plural);
    names.push_back(kind.singular);
  }
  const auto near = base::nearest(text, names);
  std::string plurals;
  for (const auto& kind : model::kinds()) plurals += (plurals.empty() ? "" : ", ") + std::string(kind.plural);
  return failure(Exit::usage, fmt::format("there is no kind of resource called \"{}\"", text), {},
                 near.empty() ? "use one of " + plurals : fmt::format("did you mean {}?", near));
}

Result<std::vector<Target>> parse_targets(const std::vector<std::string>& words,
                                          const std::string& default_kind) {
  std::vector<Target> targets;
  std::vector<const model::Kind*> kinds;
  for (const auto& word : words) {
    if (word.empty() || word.ends_with('/'))
      return failure(Exit::usage, "a name is empty", {}, "leave it out to mean all, where that is possible");
    if (const auto slash = word.find('/'); slash != std::string::npos) {
      auto named = parse_kind(word.substr(0, slash));
      if (!named) return std::unexpected(std::move(named.error()));
      targets.push_back({*named, word.substr(slash + 1)});
      continue;
    }
    if (!kinds.empty()) {
      for (const auto* kind : kinds) targets.push_back({kind, word});
      continue;
    }
    if (!default_kind.empty() && (words.size() == 1 || model::find_kind(word) == nullptr)) {
      kinds = {model::find_kind(default_kind)};
      targets.push_back({kinds.front(), word});
      continue;
    }
    for (std::size_t at = 0; at <= word.size();) {
      const auto comma = std::min(word.find(',', at), word.size());
      auto named = parse_kind(word.substr(at, comma - at));
      if (!named) return std::unexpected(std::move(named.error()));
      kinds.push_back(*named);
      if (words.size() == 1) targets.push_back({*named, {}});
      at = comma + 1;
    }
  }
  return targets;
}

}  // namespace weft::cli
