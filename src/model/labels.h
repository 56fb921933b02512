// Labels and the selectors over them, as Kubernetes defines them.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weft::model {

using Labels = std::map<std::string, std::string>;

struct LabelRequirement {
  enum class Operator : std::uint8_t { in, not_in, exists, does_not_exist };
  std::string key;
  Operator op = Operator::in;
  std::vector<std::string> values;

  friend bool operator==(const LabelRequirement&, const LabelRequirement&) = default;
};

/// All of both parts must hold. An empty one matches everything.
struct LabelSelector {
  Labels match_labels;
  std::vector<LabelRequirement> match_expressions;

  bool empty() const { return match_labels.empty() && match_expressions.empty(); }
  friend bool operator==(const LabelSelector&, const LabelSelector&) = default;
};

bool matches(const LabelSelector& selector, const Labels& labels);
/// A Service's selector: every pair must be among the labels; an empty one matches nothing.
bool service_selects(const Labels& selector, const Labels& labels);

/// Reads the form of `?labelSelector=` and `-l`: "a=b,c!=d,e in (x,y),f notin (z),g,!h". As in Kubernetes, !=
/// and notin match objects without the key. The error is a sentence that says what is wrong.
std::expected<LabelSelector, std::string> parse_label_selector(std::string_view text);
/// "a=b,e in (x,y),!h": reads back as the same.
std::string to_string(const LabelSelector& selector);

}  // namespace weft::model
