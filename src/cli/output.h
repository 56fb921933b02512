// Showing resources in the format that -o asks for.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "model/kinds.h"

namespace weft::cli {

/// Whether -o asks for documents (json, yaml, jsonpath) instead of lines for people.
bool wants_documents(const Invocation& invocation);
/// The objects of one kind as -o asks for them: a table (wide or not), names, or documents, of which one
/// object alone is itself if `single`, else a List.
Shown show(const std::vector<base::Json>& objects, const model::Kind& kind, const Invocation& invocation,
           bool single);
/// Objects of any kinds as a document.
std::string show_documents(const std::vector<base::Json>& objects, const Invocation& invocation, bool single);
/// A document that is not a resource: YAML if asked for, what a JSONPath finds in it, else JSON.
std::string show_document(const base::Json& document, const Invocation& invocation);
/// The same, with a Secret's values: of what the user has just typed, and nothing that is stored.
std::string show_with_values(const base::Json& document, const Invocation& invocation);

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
