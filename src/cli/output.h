// Showing resources in the format that -o asks for.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "cli/command.h"
#include "model/kinds.h"

namespace weft::cli {

/// The objects of one kind as a table (wide or not) or by name; of json and yaml, one object alone as itself
/// if `single`, else a List.
std::string show(const std::vector<base::Json>& objects, const model::Kind& kind, const Context& context,
                 bool single);
/// A List of objects of any kinds as JSON or YAML.
std::string show_documents(const std::vector<base::Json>& objects, Format format, bool single);
/// A document that is not a resource, as JSON or YAML.
std::string show_document(const base::Json& document, Format format);

/// Writes to stdout; a reader who has gone away ends the program quietly.
void print(std::string_view text);
/// Writes a line to stderr: "warning: ..." and such.
void warn(std::string_view text);

}  // namespace weft::cli
