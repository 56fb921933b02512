// Text to documents, and what is wrong with a text, in words that say how to mend it.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"
#include "base/json.h"
#include "yaml/limits.h"
#include "yaml/node.h"

namespace weft::yaml {

/// A text with the name its user knows it by. Finds its lines, for diagnostics.
class Source {
 public:
  /// `file` as the user named it: a path, "-" for standard input, empty for a request body. Byte order marks
  /// before a document (YAML 1.2.2, 5.2: files may be joined) are no part of the text.
  Source(std::string file, std::string text);

  const std::string& file() const { return file_; }
  std::string_view text() const { return text_; }
  std::uint32_t line_count() const { return static_cast<std::uint32_t>(line_starts_.size()); }
  /// The line of that number (from 1) without its end, empty if there is none.
  std::string_view line(std::uint32_t number) const;
  /// A diagnostic of this text: fills file and the source line, of a long one the part around the column; not
  /// of a document that may be a Secret, for it would be shown to whoever reads along.
  base::Diagnostic error(std::string_view code, base::Position position, std::string message,
                         std::string mend) const;
  /// Whether the line is of a document that may be a Secret.
  bool is_secret(std::uint32_t line) const;
  /// The text from there on.
  std::string_view from(base::Position position) const {
    return std::string_view(text_).substr(offset_of(position));
  }
  /// A value as it is written: `1.10`, `"a b"`, `[x, {y: z}]`, a block from its first character to its last.
  /// Nothing if no text of one piece stands for it: an alias within it, a text over several lines.
  std::optional<std::string_view> written(const Node& value) const;
  /// `part`, which is of this text, becomes `text`.
  base::Replacement replace(std::string_view part, std::string text) const;

 private:
  std::uint32_t characters_before(std::size_t offset) const;
  std::size_t offset_of(base::Position position) const;
  base::Position position_of(std::size_t offset) const;
  std::optional<std::size_t> end_of(const Node& value) const;
  std::optional<std::size_t> end_of_scalar(const Node& value, std::size_t begin) const;
  std::optional<std::size_t> end_of_collection(const Node& value, std::size_t begin) const;

  std::string file_;
  std::string text_;
  void find_secrets();

  std::vector<std::size_t> line_starts_;
  // How many stand before each block of bytes: a file of one line has its columns found as fast as any other.
  std::vector<std::uint32_t> characters_before_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> secrets_;  // their first and last lines
};

/// The documents of a text (separated by ---); documents without content are left out. At an error,
/// `documents` holds those before it: look at base::has_errors(diagnostics) first.
struct Parsed {
  std::vector<Node> documents;
  base::Diagnostics diagnostics;
};

/// Reads YAML 1.2's core schema as Kubernetes does, with YAML 1.1's yes/no/on/off as strings: plain null, ~,
/// true, false, 10, 0x1f, 0o17, 1e3, .inf are typed (in any of the schema's spellings), everything quoted is
/// a string. Anchors, aliases and merge keys (<<) are expanded. Errors have the codes of codes.h.
/// A caller that expects little may give a smaller limit of nodes.
Parsed parse(const Source& source, std::size_t node_limit = max_nodes);

/// Reads one JSON text under the same limits, for request bodies.
std::expected<base::Json, base::Diagnostic> parse_json(std::string_view text);

}  // namespace weft::yaml
