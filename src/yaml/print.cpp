#include "yaml/print.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "base/printable.h"
#include "yaml/scalar.h"

namespace weft::yaml {
namespace {

/// In double quotes, with JSON's escapes; what a terminal shows is as it is.
std::string double_quoted(std::string_view text) {
  return base::printable(base::Json(text).dump(-1, ' ', false, base::Json::error_handler_t::replace));
}

std::string scalar(const std::string& text) { return is_safe_plain(text) ? text : double_quoted(text); }

/// A literal block needs lines that have a content and no characters that need an escape.
bool fits_block(std::string_view text) {
  if (text.size() < 2 || text.find('\n') == std::string_view::npos ||
      text.find("\n\n\n") != std::string_view::npos)
    return false;
  if (text[0] == ' ' || text[0] == '\n' || text.ends_with("\n\n")) return false;
  return text.find('\t') == std::string_view::npos && base::printable(text, base::Breaks::keep) == text;
}

class Printer {
 public:
  std::string text() { return std::move(out_); }

  /// A value that stands after "key:" or "-" (then `is_after`), or at the start of the document.
  void value(const Node& node, int indent, bool is_after) {
    if (const Map* map = node.map(); map && !map->empty()) {
      if (is_after) out_ += '\n';
      entries(*map, indent);
    } else if (const List* list = node.list(); list && !list->empty()) {
      if (is_after) out_ += '\n';
      items(*list, indent);
    } else if (const std::string* text = node.string(); text && is_after && fits_block(*text)) {
      block(*text, indent);
    } else {
      if (is_after) out_ += ' ';
      plain(node);
      out_ += '\n';
    }
  }

 private:
  void start_line(int indent) {
    if (!is_in_line_) fmt::format_to(std::back_inserter(out_), "{:{}}", "", indent);
    is_in_line_ = false;
  }

  void items(const List& list, int indent) {
    for (const Node& item : list) {
      start_line(indent);
      out_ += '-';
      const Map* map = item.map();
      const List* inner = item.list();
      bool is_nested = (map && !map->empty()) || (inner && !inner->empty());
      if (is_nested) {
        // Its first line stands in the line of the dash.
        out_ += ' ';
        is_in_line_ = true;
      }
      value(item, indent + 2, !is_nested);
    }
  }

  void entries(const Map& map, int indent) {
    for (const Entry& entry : map) {
      start_line(indent);
      out_ += scalar(entry.key);
      out_ += ':';
      bool is_list = entry.value.is_list() && !entry.value.list()->empty();
      value(entry.value, is_list ? indent : indent + 2, true);
    }
  }

  void block(const std::string& text, int indent) {
    out_ += text.ends_with('\n') ? " |\n" : " |-\n";
    std::string_view rest = text;
    if (rest.ends_with('\n')) rest.remove_suffix(1);
    while (true) {
      std::size_t end = rest.find('\n');
      std::string_view line = rest.substr(0, end);
      if (!line.empty()) fmt::format_to(std::back_inserter(out_), "{:{}}{}", "", indent, line);
      out_ += '\n';
      if (end == std::string_view::npos) return;
      rest.remove_prefix(end + 1);
    }
  }

  void plain(const Node& node) {
    switch (node.value.index()) {
      case 1: out_ += *node.boolean() ? "true" : "false"; break;
      case 2: out_ += std::to_string(*node.integer()); break;
      case 3: {
        double number = *node.floating();
        std::string text = fmt::format("{}", number);
        // 3.0 must not come back as the whole number 3.
        if (std::isfinite(number) && text.find_first_of(".e") == std::string::npos) text += ".0";
        out_ += text;
        break;
      }
      case 4: out_ += scalar(*node.string()); break;
      case 5: out_ += "[]"; break;
      case 6: out_ += "{}"; break;
      default: out_ += "null"; break;
    }
  }

  std::string out_;
  bool is_in_line_ = false;  // what comes next stands right after "- "
};

}  // namespace

std::string print(const Node& document) {
  Printer printer;
  printer.value(document, 0, false);
  return printer.text();
}

std::string print(const base::Json& document) { return print(from_json(document)); }

}  // namespace weft::yaml
