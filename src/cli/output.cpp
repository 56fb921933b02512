// The formats of -o.
#include "cli/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "cli/objects.h"
#include "model/secret.h"
#include "yaml/print.h"

namespace weft::cli {

using base::Json;

bool wants_documents(const Invocation& invocation) {
  return invocation.format == Format::json || invocation.format == Format::yaml ||
         invocation.format == Format::jsonpath;
}

std::string show_document(const Json& document, const Invocation& invocation) {
  return show_with_values(model::without_values(document), invocation);
}

std::string show_with_values(const Json& document, const Invocation& invocation) {
  if (invocation.path) return invocation.path->print(document);
  if (invocation.format == Format::yaml) return yaml::print(document);
  // Names of files need not be UTF-8.
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string show_documents(const std::vector<Json>& objects, const Invocation& invocation, bool single) {
  if (single && objects.size() == 1) return show_document(objects.front(), invocation);
  Json list = {{"apiVersion", "v1"}, {"kind", "List"}, {"items", objects}};
  return show_document(list, invocation);
}

Shown show(const std::vector<Json>& objects, const model::Kind& kind, const Invocation& invocation,
           bool single) {
  if (wants_documents(invocation)) return show_documents(objects, invocation, single);
  if (invocation.format == Format::name) {
    std::string names;
    for (const Json& object : objects) names += fmt::format("{}/{}\n", kind.singular, name_of(object));
    return names;
  }
  auto columns = columns_of(kind, objects, invocation.format == Format::wide, invocation.all_namespaces,
                            base::system_clock().wall());
  if (invocation.no_headers) columns.header.clear();
  return table(columns.header, columns.rows, wants_colour(STDOUT_FILENO));
}

namespace {

void write(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::fflush(stdout) != 0) std::_Exit(static_cast<int>(Exit::failed));
}

}  // namespace

void print(const Shown& text) { write(text.text()); }

void tell(const Shown& text) { std::fwrite(text.text().data(), 1, text.text().size(), stderr); }

void warn(std::string_view text) {
  Shown line = paint("warning:", Colour::warning, wants_colour(STDERR_FILENO));
  line += fmt::format(" {}\n", continued(text));
  tell(line);
}

void print_log(std::string_view lines) {
  if (is_terminal(STDOUT_FILENO)) {
    print(lines);
  } else {
    write(lines);
  }
}

}  // namespace weft::cli
