#include "cli/jsonpath.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <variant>

#include "cli/objects.h"

namespace weft::cli {

using base::Json;

namespace {

struct Path;

struct Names {
  std::vector<std::string> names;
};
struct All {};
/// All values within a value at any depth, and itself.
struct Descendants {};
/// Both ends may be missing; negative ones count from the end.
struct Slice {
  std::optional<std::int64_t> begin, end;
};
struct Places {
  std::vector<Slice> slices;
};
enum class Comparison : std::uint8_t {
  exists,
  equal,
  unequal,
  less,
  less_or_equal,
  greater,
  greater_or_equal
};
struct Operand {
  std::shared_ptr<const Path> path;  // null: the value
  Json value;
};
struct Filter {
  Operand left, right;
  Comparison comparison = Comparison::exists;
};

using Step = std::variant<Names, All, Descendants, Places, Filter>;

struct Path {
  bool from_root = false;  // of the document, else of what the range is at
  std::vector<Step> steps;
};

using Values = std::vector<const Json*>;

Values find(const Path& path, const Json& root, const Json& current);

Values values_of(const Operand& operand, const Json& root, const Json& current) {
  return operand.path ? find(*operand.path, root, current) : Values{&operand.value};
}

bool holds(const Filter& filter, const Json& root, const Json& current) {
  const auto left = values_of(filter.left, root, current);
  if (filter.comparison == Comparison::exists) return !left.empty();
  const auto right = values_of(filter.right, root, current);
  if (left.size() != 1 || right.size() != 1) return false;
  const Json& a = *left.front();
  const Json& b = *right.front();
  const bool ordered = (a.is_number() && b.is_number()) || (a.is_string() && b.is_string());
  switch (filter.comparison) {
    case Comparison::exists: break;
    case Comparison::equal: return a == b;
    case Comparison::unequal: return a != b;
    case Comparison::less: return ordered && a < b;
    case Comparison::less_or_equal: return ordered && a <= b;
    case Comparison::greater: return ordered && a > b;
    case Comparison::greater_or_equal: return ordered && a >= b;
  }
  return false;
}

void descend(const Json& value, Values& out) {
  out.push_back(&value);
  if (!value.is_structured()) return;
  for (const Json& child : value) descend(child, out);
}

struct Stepper {
  const Json& root;
  const Json& value;
  Values& out;

  void operator()(const Names& step) const {
    if (!value.is_object()) return;
    for (const auto& name : step.names) {
      if (auto found = value.find(name); found != value.end()) out.push_back(&*found);
    }
  }
  void operator()(const All&) const {
    if (!value.is_structured()) return;
    for (const Json& child : value) out.push_back(&child);
  }
  void operator()(const Descendants&) const { descend(value, out); }
  void operator()(const Places& step) const {
    if (!value.is_array()) return;
    const auto size = static_cast<std::int64_t>(value.size());
    const auto place = [size](std::int64_t at) {
      return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
    };
    for (const auto& [begin, end] : step.slices) {
      const bool is_last = begin == -1 && end == 0;  // [-1], whose end would be counted from the front
      const auto to = !end || is_last ? size : place(*end);
      for (auto i = place(begin.value_or(0)); i < to; ++i) out.push_back(&value[static_cast<std::size_t>(i)]);
    }
  }
  void operator()(const Filter& step) const {
    if (!value.is_array()) return;
    for (const Json& child : value) {
      if (holds(step, root, child)) out.push_back(&child);
    }
  }
};

Values find(const Path& path, const Json& root, const Json& current) {
  Values values{path.from_root ? &root : &current};
  for (const auto& step : path.steps) {
    Values next;
    for (const auto* value : values) std::visit(Stepper{root, *value, next}, step);
    values = std::move(next);
  }
  return values;
}

std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_null() ? std::string() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

/// Text, the values of a path, or what stands between {range} and {end} for each of them.
struct JsonPath::Piece {
  std::string text;
  std::optional<Path> path;
  std::optional<std::vector<Piece>> body;
};

namespace {

using Piece = JsonPath::Piece;

/// Filters in filters and ranges in ranges: far more than anybody writes, far less than the stack takes.
constexpr int deepest = 64;

/// Recursive descent. The first fault is kept; after it nothing is left to read, so that all ends by itself.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  const std::string& fault() const { return fault_; }

  /// Until the end, or the {end} of a range.
  std::vector<Piece> pieces(bool in_range) {
    std::vector<Piece> all;
    while (at_ < text_.size()) {
      if (text_[at_] != '{') {
        const auto end = std::min(text_.find('{', at_), text_.size());
        all.push_back({std::string(text_.substr(at_, end - at_)), {}, {}});
        at_ = end;
        continue;
      }
      ++at_;
      skip_blanks();
      if (takes("end")) {
        if (!in_range) fail("{end} without a {range}");
        close();
        return all;
      }
      all.push_back(expression());
    }
    if (in_range) fail("a {range} has no {end}");
    return all;
  }

 private:
  void fail(std::string_view what) {
    if (fault_.empty()) fault_ = fmt::format("{} (column {})", what, at_ + 1);
    at_ = text_.size();
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n') ++at_;
  }
  bool takes(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void expect(char c, std::string_view what) {
    skip_blanks();
    if (peek() != c) return fail(what);
    ++at_;
  }
  void close() { expect('}', "a } is missing"); }

  Piece expression() {
    if (takes("range ")) {
      Piece piece{{}, path(), {}};
      close();
      if (++depth_ > deepest) fail("too deep");
      piece.body = pieces(true);
      --depth_;
      return piece;
    }
    Piece piece;
    if (peek() == '"' || peek() == '\'') {
      piece.text = quoted();
    } else {
      piece.path = path();
    }
    close();
    return piece;
  }

  std::string quoted() {
    const char quote = text_[at_++];
    std::string out;
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] != '\\' || at_ + 1 == text_.size()) {
        out += text_[at_];
        continue;
      }
      const char c = text_[++at_];
      out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
    }
    if (at_ == text_.size()) {
      fail("a quote has no end");
    } else {
      ++at_;
    }
    return out;
  }

  Path path() {
    skip_blanks();
    Path path;
    if (peek() == '$' || peek() == '@') {
      path.from_root = text_[at_++] == '$';
    } else if (peek() != '.' && peek() != '[') {
      fail("an expression begins with ., [, @ or $, as in {.items[*].metadata.name}");
    }
    for (;;) {
      if (takes("..")) {
        path.steps.emplace_back(Descendants{});
        if (peek() != '[') path.steps.push_back(named());
      } else if (peek() == '.') {
        ++at_;
        if (peek() != '[' && !ends()) path.steps.push_back(named());
      } else if (peek() == '[') {
        ++at_;
        path.steps.push_back(bracket());
      } else if (ends()) {
        return path;
      } else {
        fail("not understood");
      }
    }
  }

  bool ends() const { return std::string_view(" \t\n}])=!<>,").contains(peek()) || at_ >= text_.size(); }

  Step named() {
    if (takes("*")) return All{};
    std::string name;
    while (at_ < text_.size() && !ends() && peek() != '.' && peek() != '[') {
      if (peek() == '\\' && at_ + 1 < text_.size()) ++at_;
      name += text_[at_++];
    }
    if (name.empty()) fail("a name is missing");
    return Names{{std::move(name)}};
  }

  Step bracket() {
    skip_blanks();
    Step step;
    if (takes("*")) {
      step = All{};
    } else if (takes("?(")) {
      step = filter();
    } else if (peek() == '\'' || peek() == '"') {
      Names names;
      do {
        skip_blanks();
        if (peek() == '\'' || peek() == '"') {
          names.names.push_back(quoted());
        } else {
          fail("a name in quotes is missing");
        }
        skip_blanks();
      } while (takes(","));
      step = std::move(names);
    } else {
      Places places;
      do {
        places.slices.push_back(slice());
        skip_blanks();
      } while (takes(","));
      step = std::move(places);
    }
    expect(']', "a ] is missing");
    return step;
  }

  /// No array is so long; and what is calculated with it has room.
  static constexpr std::int64_t most_places = std::int64_t{1} << 32;

  std::optional<std::int64_t> number() {
    skip_blanks();
    std::int64_t value = 0;
    const auto* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc{}) return std::nullopt;
    at_ += static_cast<std::size_t>(end - begin);
    return std::clamp(value, -most_places, most_places);
  }

  Slice slice() {
    Slice slice{number(), {}};
    skip_blanks();
    if (takes(":")) {
      slice.end = number();
      skip_blanks();
      if (peek() == ':') fail("steps of a slice are not supported");
    } else if (slice.begin) {
      slice.end = *slice.begin + 1;
    } else {
      fail("a number, a name in quotes, * or ?( is missing");
    }
    return slice;
  }

  Step filter() {
    if (++depth_ > deepest) fail("too deep");
    Filter filter;
    filter.left = operand();
    skip_blanks();
    constexpr std::pair<std::string_view, Comparison> comparisons[] = {
        {"==", Comparison::equal},         {"!=", Comparison::unequal},
        {"<=", Comparison::less_or_equal}, {">=", Comparison::greater_or_equal},
        {"<", Comparison::less},           {">", Comparison::greater}};
    for (const auto& [text, comparison] : comparisons) {
      if (filter.comparison == Comparison::exists && takes(text)) filter.comparison = comparison;
    }
    if (filter.comparison != Comparison::exists) filter.right = operand();
    skip_blanks();
    if (takes("&&") || takes("||")) fail("a filter has one comparison");
    expect(')', "the ) of a filter is missing");
    --depth_;
    return filter;
  }

  Operand operand() {
    skip_blanks();
    if (peek() == '@' || peek() == '$' || peek() == '.') return {std::make_shared<const Path>(path()), {}};
    if (peek() == '\'' || peek() == '"') return {nullptr, quoted()};
    const auto begin = at_;
    while (!ends()) ++at_;
    auto value = Json::parse(text_.substr(begin, at_ - begin), nullptr, false);
    if (value.is_discarded()) fail("text to compare with stands in quotes");
    return {nullptr, std::move(value)};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::string fault_;
};

void print_pieces(const std::vector<Piece>& pieces, const Json& root, const Json& current, std::string& out) {
  for (const auto& piece : pieces) {
    out += piece.text;
    if (!piece.path) continue;
    bool first = true;
    for (const auto* value : find(*piece.path, root, current)) {
      if (piece.body) {
        print_pieces(*piece.body, root, *value, out);
      } else {
        if (!std::exchange(first, false)) out += ' ';
        out += text_of(*value);
      }
    }
  }
}

}  // namespace

std::expected<JsonPath, std::string> JsonPath::parse(std::string_view text) {
  Parser parser(text);
  auto pieces = parser.pieces(false);
  if (!parser.fault().empty()) return std::unexpected(parser.fault());
  JsonPath path;
  path.pieces_ = std::make_shared<const std::vector<Piece>>(std::move(pieces));
  return path;
}

std::string JsonPath::print(const Json& document) const {
  std::string out;
  print_pieces(*pieces_, document, document, out);
  return out;
}

}  // namespace weft::cli
