// Words of the command line into resources.
#include "cli/target.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/nearest.h"
#include "cli/objects.h"

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
  const auto add = [&targets](const model::Kind* kind, std::string name) {
    Target target{kind, std::move(name)};
    if (std::ranges::find(targets, target) == targets.end()) targets.push_back(std::move(target));
  };
  std::vector<const model::Kind*> kinds;
  for (const auto& word : words) {
    if (word.empty() || word.ends_with('/'))
      return failure(Exit::usage, "a name is empty", {}, "leave it out to mean all, where that is possible");
    if (const auto slash = word.find('/'); slash != std::string::npos) {
      auto named = parse_kind(word.substr(0, slash));
      if (!named) return std::unexpected(std::move(named.error()));
      auto name = word.substr(slash + 1);
      if (name.contains('/'))
        return failure(Exit::usage, fmt::format("\"{}\" can be no name: it has a /", name), {},
                       "write KIND/NAME");
      add(*named, std::move(name));
      continue;
    }
    if (!kinds.empty()) {
      for (const auto* kind : kinds) add(kind, word);
      continue;
    }
    if (!default_kind.empty() && (words.size() == 1 || model::find_kind(word) == nullptr)) {
      kinds = {model::find_kind(default_kind)};
      add(kinds.front(), word);
      continue;
    }
    for (std::size_t at = 0; at <= word.size();) {
      const auto comma = std::min(word.find(',', at), word.size());
      auto named = parse_kind(word.substr(at, comma - at));
      if (!named) return std::unexpected(std::move(named.error()));
      kinds.push_back(*named);
      if (words.size() == 1) add(*named, {});
      at = comma + 1;
    }
  }
  return targets;
}

Result<void> check_selector(const std::vector<Target>& targets, const std::string& selector) {
  const auto is_named = [](const Target& target) { return !target.name.empty(); };
  if (selector.empty() || !std::ranges::any_of(targets, is_named)) return {};
  return failure(Exit::usage, "both names and a selector (-l) are given", {}, "leave out one of them");
}

runtime::Task<Result<std::vector<Target>>> find_targets(Api& api, std::vector<Target> targets, std::string ns,
                                                        std::string selector) {
  if (auto checked = check_selector(targets, selector); !checked)
    co_return std::unexpected(std::move(checked.error()));
  std::vector<Target> found;
  for (auto& target : targets) {
    if (!target.name.empty()) {
      found.push_back(std::move(target));
      continue;
    }
    auto all = co_await api.list(with_query(rest_path(*target.kind, ns), {{"labelSelector", selector}}));
    if (!all) co_return std::unexpected(std::move(all.error()));
    for (const auto& object : *all) found.push_back({target.kind, name_of(object)});
  }
  co_return found;
}

}  // namespace weft::cli
