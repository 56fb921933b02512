// The formats of -o.
#include "cli/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "cli/objects.h"
#include "cli/terminal.h"
#include "yaml/print.h"

namespace weft::cli {

using base::Json;

std::string show_document(const Json& document, Format format) {
  return format == Format::yaml ? yaml::print(document) : document.dump(2) + "\n";
}

std::string show_documents(const std::vector<Json>& objects, Format format, bool single) {
  if (single && objects.size() == 1) return show_document(objects.front(), format);
  Json list = {{"apiVersion", "v1"}, {"kind", "List"}, {"items", objects}};
  return show_document(list, format);
}

std::string show(const std::vector<Json>& objects, const model::Kind& kind, const Context& context,
                 bool single) {
  switch (context.format) {
    case Format::json:
    case Format::yaml: return show_documents(objects, context.format, single);
    case Format::name: {
      std::string names;
      for (const Json& object : objects) names += fmt::format("{}/{}\n", kind.singular, name_of(object));
      return names;
    }
    case Format::table:
    case Format::wide: break;
  }
  const auto columns = columns_of(kind, objects, context.format == Format::wide, context.all_namespaces,
                                  base::system_clock().wall());
  return table(columns.header, columns.rows, wants_colour(STDOUT_FILENO));
}

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::fflush(stdout) != 0) std::_Exit(static_cast<int>(Exit::failed));
}

void warn(std::string_view text) {
  const bool colour = wants_colour(STDERR_FILENO);
  fmt::print(stderr, "{}warning:{} {}\n", colour ? "\x1b[1;33m" : "", colour ? "\x1b[0m" : "", text);
}

}  // namespace weft::cli
