// Where a rule reports what is wrong with a value: a node with its path, and the list that takes the
// diagnostics.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"
#include "model/values.h"
#include "yaml/node.h"
#include "yaml/parse.h"

namespace weft::model {

/// The diagnostics of one document.
struct Report {
  const yaml::Source* source = nullptr;  // null: no positions
  std::string_view kind;
  base::Diagnostics diagnostics;

  std::size_t errors() const { return diagnostics.count(base::Severity::error); }
  void add(base::Severity severity, std::string_view code, base::Position position, std::string field,
           std::string message, std::string mend);
};

/// A node's place in its document; parts live on the stack of the functions that walk down.
struct Path {
  const Path* parent = nullptr;
  std::string_view key;  // or, without one, the index
  std::size_t index = 0;
  bool in_brackets = false;  // a label's key: [app.kubernetes.io/name]

  std::string to_string() const;
};

/// For the rules of a struct: reports faults of its fields, named relative to it ("ports[0].name").
class Findings {
 public:
  Findings(Report& report, const yaml::Node& node, const Path& path)
      : report_(report), node_(node), path_(path) {}

  const yaml::Node& node() const { return node_; }
  std::string_view kind() const { return report_.kind; }
  void error(std::string_view field, std::string_view code, std::string message, std::string mend);
  void warning(std::string_view field, std::string_view code, std::string message, std::string mend);
  /// Reports a value that breaks a rule, if it does: "`Web` must be lower case ...".
  void expect(std::string_view field, std::string_view value, Fault (*rule)(std::string_view),
              std::string mend = {});

 private:
  void add(base::Severity severity, std::string_view field, std::string_view code, std::string message,
           std::string mend);

  Report& report_;
  const yaml::Node& node_;
  const Path& path_;
};

}  // namespace weft::model
