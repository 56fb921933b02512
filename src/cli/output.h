// Showing resources in the format that -o asks for.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "model/kinds.h"

namespace weft::cli {

/// The objects of one kind as a table (wide or not) or by name; of json and yaml, one object alone as itself
/// if `single`, else a List.
Shown show(const std::vector<base::Json>& objects, const model::Kind& kind, const Invocation& invocation,
           bool single);
/// A List of objects of any kinds as JSON or YAML.
std::string show_documents(const std::vector<base::Json>& objects, Format format, bool single);
/// A document that is not a resource, as JSON or YAML.
std::string show_document(const base::Json& document, Format format);

/// Writes to stdout; a reader who has gone away ends the program quietly. This and tell() are the way of all
/// text to people.
void print(const Shown& text);
/// Writes to stderr: progress and errors.
void tell(const Shown& text);
/// "warning: ..." on stderr.
void warn(std::string_view text);
/// Lines that an application or the mesh has logged, to stdout: escaped on a terminal (colours too), else as
/// they are, for whoever reads them next.
void print_log(std::string_view lines);

}  // namespace weft::cli
