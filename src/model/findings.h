// Where a rule reports what is wrong with a value: a node with its path, and the list that takes the
// diagnostics.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"
#include "model/values.h"
#include "yaml/node.h"
#include "yaml/parse.h"

namespace weft::model {

/// How to mend a fault: in words, and as a change of the text where it is one.
struct Mend {
  std::string words;
  std::optional<base::Replacement> change = {};

  Mend(std::string text) : words(std::move(text)) {}
  Mend(const char* text) : words(text) {}
  Mend(std::string text, std::optional<base::Replacement> change)
      : words(std::move(text)), change(std::move(change)) {}
};

/// The diagnostics of one document.
struct Report {
  const yaml::Source* source = nullptr;  // null: no positions
  std::string_view kind;
  base::Diagnostics diagnostics;
  /// Fields that must be there and are not: faults, unless one that does not exist is meant for it.
  base::Diagnostics missing;
  std::set<std::string, std::less<>> meant;

  std::size_t errors() const {
    return diagnostics.count(base::Severity::error) + missing.count(base::Severity::error);
  }
  void add(base::Severity severity, std::string_view code, base::Position position, std::string field,
           std::string message, Mend mend);
  base::Diagnostic make(base::Severity severity, std::string_view code, base::Position position,
                        std::string field, std::string message, Mend mend) const;
  /// Whether the values of that field are secret: no diagnostic quotes them.
  bool hides(std::string_view field) const;
  /// A string; of all else what stands for it in the text, of a request its JSON.
  std::string written(const yaml::Node& value) const;
  /// Such a mend: `text` in place of the value.
  Mend replace(const yaml::Node& value, std::string words, std::string text) const;
  /// The mend that adds `entry` ("kind: Service") to a map, as its first.
  Mend insert(const yaml::Node& map, std::string words, const std::string& entry) const;
  /// The diagnostics, with what is missing.
  base::Diagnostics finish();
};

/// A node's place in its document; parts live on the stack of the functions that walk down.
struct Path {
  const Path* parent = nullptr;
  std::string_view key;  // or, without one, the index
  std::size_t index = 0;
  bool in_brackets = false;  // a label's key: [app.kubernetes.io/name]

  std::string to_string() const;
};

/// A field's path as field_names() has it: without the indices of lists.
std::string schema_path(std::string_view path);

/// `value` in lower case with - for _ and blanks, if that keeps the rule which it breaks; else empty.
std::string near_name(std::string_view value, Fault (*rule)(std::string_view));

/// For the rules of a struct: reports faults of its fields, named relative to it ("ports[0].name").
class Findings {
 public:
  Findings(Report& report, const yaml::Node& node, const Path& path)
      : report_(report), node_(node), path_(path) {}

  const yaml::Node& node() const { return node_; }
  std::string_view kind() const { return report_.kind; }
  void error(std::string_view field, std::string_view code, std::string message, Mend mend);
  void warning(std::string_view field, std::string_view code, std::string message, Mend mend);
  /// The mend that writes `text` as the field's value; without a change if the field is not there.
  Mend replace(std::string_view field, std::string words, std::string text) const;
  /// The mend that adds an entry to the map that `map` names.
  Mend insert(std::string_view map, std::string words, const std::string& entry) const;
  /// Reports a value that breaks a rule, if it does: "`Web` must be lower case ...". The mend is the name
  /// that is near it, or `otherwise`.
  void expect(std::string_view field, std::string_view value, Fault (*rule)(std::string_view),
              std::string otherwise = "Change the value.");

 private:
  void add(base::Severity severity, std::string_view field, std::string_view code, std::string message,
           Mend mend);

  Report& report_;
  const yaml::Node& node_;
  const Path& path_;
};

}  // namespace weft::model
