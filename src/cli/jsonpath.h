// The JSONPath templates of kubectl's `-o jsonpath`
// (https://kubernetes.io/docs/reference/kubectl/jsonpath/).
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace weft::cli {

/// Text with expressions in braces: `{.a.b}`, `['a.b']`, `[0]`, `[-1]`, `[1:3]`, `[0,2]`, `[*]`, `..a`,
/// `[?(@.a=="b")]`, `{range .items[*]}...{end}`, `{"\n"}`.
class JsonPath {
 public:
  /// The error is in words, with the column.
  static std::expected<JsonPath, std::string> parse(std::string_view text);

  /// The template with what its expressions find in `document`: several values are separated by blanks, what
  /// is not there is nothing, objects and lists are JSON.
  std::string print(const base::Json& document) const;

  struct Piece;

 private:
  std::shared_ptr<const std::vector<Piece>> pieces_;
};

}  // namespace weft::cli
