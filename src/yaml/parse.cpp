// From libfyaml's events to nodes, under the limits of limits.h.
#include "yaml/parse.h"

#include <fmt/format.h>
#include <libfyaml.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <unordered_set>
#include <utility>

#include "yaml/codes.h"
#include "yaml/explain.h"
#include "yaml/limits.h"
#include "yaml/lookalike.h"
#include "yaml/scalar.h"
#include "yaml/text.h"

namespace weft::yaml {
namespace {

std::string_view text_of(fy_token* token) {
  std::size_t length = 0;
  const char* text = token ? fy_token_get_text(token, &length) : nullptr;
  return text ? std::string_view(text, length) : std::string_view{};
}

/// A map or list that is not complete yet.
struct Frame {
  Node node;
  bool is_map = false;
  bool has_bracket = false;
  std::string anchor;
  std::optional<Entry> pending;  // a key whose value comes next
  bool pending_is_merge = false;
  std::vector<Node> merged;  // values of <<
};

/// What a tree takes.
struct Extent {
  std::size_t nodes = 0;
  std::size_t bytes = 0;
  std::size_t depth = 0;  // levels of maps and lists

  void add(const Extent& child) {
    nodes += child.nodes;
    bytes += child.bytes;
    depth = std::max(depth, child.depth + 1);
  }
};

Extent extent_of(const Node& node) {
  Extent extent{.nodes = 1, .bytes = sizeof(Node)};
  if (const std::string* text = node.string()) extent.bytes += text->size();
  if (const List* list = node.list()) {
    extent.depth = 1;
    for (const Node& item : *list) extent.add(extent_of(item));
  }
  if (const Map* map = node.map()) {
    extent.depth = 1;
    for (const Entry& entry : *map) {
      extent.add(extent_of(entry.value));
      ++extent.nodes;  // the key
      extent.bytes += sizeof(Entry) - sizeof(Node) + entry.key.size();
    }
  }
  return extent;
}

struct Anchored {
  Node node;
  Extent extent;
};

/// Puts documents together from events.
class Builder {
 public:
  Builder(const Source& source, const Wrapped& wrapped, std::size_t node_limit)
      : source_(source), wrapped_(wrapped), node_limit_(node_limit) {}

  /// Takes the next event; false if parsing must stop for an error.
  bool take(const fy_event& event);
  /// The innermost [ or { that is open.
  std::optional<base::Position> open_bracket() const;
  void fail(base::Diagnostic diagnostic) { parsed_.diagnostics.push_back(std::move(diagnostic)); }
  Parsed finish() { return std::move(parsed_); }

 private:
  bool open(fy_token* start, fy_token* anchor, fy_token* tag, bool is_map);
  bool close();
  bool take_scalar(const fy_event& event);
  bool take_alias(const fy_event& event);
  bool add(Node node, bool is_plain);
  bool add_key(Node node, bool is_plain);
  bool count(std::size_t nodes, base::Position position);
  bool keep_anchor(std::string_view name, const Node& node);
  bool count_copy(const Extent& extent, base::Position position);
  void drop_duplicates(Map& map);
  bool drop_second_resource(Map& map);
  bool merge(Frame& frame);
  base::Position start_of(fy_token* token) const;
  bool expects_key() const { return !frames_.empty() && frames_.back().is_map && !frames_.back().pending; }
  bool stop(std::string_view code, base::Position position, std::string message, std::string mend) {
    fail(without_secret(source_, position,
                        source_.error(code, position, std::move(message), std::move(mend))));
    return false;
  }
  /// The value by its tag; nothing if the tag is not of the core schema.
  std::optional<Node> tagged(std::string_view tag, std::string_view text, base::Position position) const;

  const Source& source_;
  const Wrapped& wrapped_;
  std::size_t node_limit_;
  Parsed parsed_;
  std::vector<Frame> frames_;
  std::optional<Node> root_;
  std::map<std::string, Anchored, std::less<>> anchors_;
  std::size_t nodes_ = 0;
  std::size_t copied_bytes_ = 0;
};

constexpr std::string_view core_tag = "tag:yaml.org,2002:";

bool Builder::take(const fy_event& event) {
  switch (event.type) {
    case FYET_DOCUMENT_START:
      anchors_.clear();
      root_.reset();
      return true;
    case FYET_DOCUMENT_END:
      if (root_ && !root_->is_null()) parsed_.documents.push_back(std::move(*root_));
      root_.reset();
      return true;
    case FYET_MAPPING_START:
      return open(event.mapping_start.mapping_start, event.mapping_start.anchor, event.mapping_start.tag,
                  true);
    case FYET_SEQUENCE_START:
      return open(event.sequence_start.sequence_start, event.sequence_start.anchor, event.sequence_start.tag,
                  false);
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END: return close();
    case FYET_SCALAR: return take_scalar(event);
    case FYET_ALIAS: return take_alias(event);
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_STREAM_END: return true;
  }
  return true;
}

base::Position Builder::start_of(fy_token* token) const {
  const fy_mark* mark = token ? fy_token_start_mark(token) : nullptr;
  if (!mark) return {};
  return wrapped_.in_source(
      {static_cast<std::uint32_t>(mark->line) + 1, static_cast<std::uint32_t>(mark->column) + 1});
}

std::optional<base::Position> Builder::open_bracket() const {
  for (auto frame = frames_.rbegin(); frame != frames_.rend(); ++frame)
    if (frame->has_bracket) return frame->node.position;
  return {};
}

bool Builder::count(std::size_t nodes, base::Position position) {
  nodes_ += nodes;
  if (nodes_ <= node_limit_) return true;
  return stop(code::too_many_nodes, position, fmt::format("the text has more than {} values", node_limit_),
              "Split it into several files.");
}

bool Builder::open(fy_token* start, fy_token* anchor, fy_token* tag, bool is_map) {
  base::Position position = start_of(start);
  if (expects_key()) {
    return stop(
        code::bad_key, position, fmt::format("a {} cannot be a key", is_map ? "map" : "list"),
        "Put the key in quotes. If this is a placeholder of a template ({{ ... }}), fill it in first.");
  }
  if (frames_.size() >= max_depth) {
    return stop(code::too_deep, position, fmt::format("more than {} levels of maps and lists", max_depth),
                "Make the document flatter.");
  }
  std::string_view tag_name = text_of(tag);
  if (!tag_name.empty() && tag_name != "!" &&
      tag_name != fmt::format("{}{}", core_tag, is_map ? "map" : "seq")) {
    return stop(code::unsupported_tag, position, fmt::format("the tag `{}` is not known", tag_name),
                "Remove the tag.");
  }
  Frame frame;
  frame.node.position = position;
  frame.is_map = is_map;
  if (is_map)
    frame.node.value = Map{};
  else
    frame.node.value = List{};
  std::string_view line = source_.line(position.line);
  bool is_in_line = position.column >= 1 && position.column <= line.size();
  frame.has_bracket = is_in_line && (line[position.column - 1] == '[' || line[position.column - 1] == '{');
  frame.anchor = text_of(anchor);
  frames_.push_back(std::move(frame));
  return count(1, position);
}

bool Builder::close() {
  Frame frame = std::move(frames_.back());
  frames_.pop_back();
  if (frame.is_map) {
    Map& map = std::get<Map>(frame.node.value);
    if (!frames_.empty() || !drop_second_resource(map)) drop_duplicates(map);
    if (!merge(frame)) return false;
  }
  if (!keep_anchor(frame.anchor, frame.node)) return false;
  return add(std::move(frame.node), false);
}

bool Builder::take_scalar(const fy_event& event) {
  fy_token* value = event.scalar.value;
  base::Position position = start_of(value);
  fy_scalar_style style = value ? fy_token_scalar_style(value) : FYSS_PLAIN;
  bool is_quoted = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
  if (is_quoted && position.column > 1) --position.column;  // the token begins after the quote
  std::string_view text = text_of(value);
  bool is_plain = style == FYSS_PLAIN;
  // An empty value has no place of its own (libfyaml 0.9 gives it the end of its key): that of its key
  // serves.
  if (is_plain && text.empty() && !frames_.empty())
    position = frames_.back().pending ? frames_.back().pending->position : frames_.back().node.position;
  std::optional<Node> node;
  if (std::string_view tag = text_of(event.scalar.tag); !tag.empty()) {
    node = tagged(tag, text, position);
    is_plain = false;
    if (!node) {
      return stop(code::unsupported_tag, position,
                  fmt::format("the tag `{}` is not known, or does not fit the value", tag),
                  "Remove the tag.");
    }
  } else {
    node = expects_key() || !is_plain ? Node{std::string(text), position} : Node{plain_value(text), position};
    if (expects_key() && is_plain && text.empty()) node->value = std::monostate{};
  }
  if (!count(1, position)) return false;
  if (!keep_anchor(text_of(event.scalar.anchor), *node)) return false;
  return add(std::move(*node), is_plain);
}

std::optional<Node> Builder::tagged(std::string_view tag, std::string_view text,
                                    base::Position position) const {
  if (tag == "!") return Node{std::string(text), position};
  if (!tag.starts_with(core_tag)) return {};
  tag.remove_prefix(core_tag.size());
  if (tag == "str") return Node{std::string(text), position};
  Node node{plain_value(text), position};
  bool fits = (tag == "null" && node.is_null()) || (tag == "bool" && node.boolean()) ||
              (tag == "int" && node.integer()) || (tag == "float" && (node.floating() || node.integer()));
  if (fits) return node;
  return {};
}

bool Builder::take_alias(const fy_event& event) {
  std::string_view name = text_of(event.alias.anchor);
  base::Position position = start_of(event.alias.anchor);
  if (position.column > 1) --position.column;  // the token begins after the *
  auto anchored = anchors_.find(name);
  if (anchored == anchors_.end()) {
    return stop(code::unknown_alias, position, fmt::format("no anchor `&{}` ends before this alias", name),
                fmt::format("Put `&{0}` before the value that `*{0}` stands for, above this line; quote a "
                            "value that begins with *.",
                            name));
  }
  const Extent& extent = anchored->second.extent;
  if (!count_copy(extent, position) || !count(extent.nodes, position)) return false;
  if (frames_.size() + extent.depth > max_depth) {
    return stop(code::too_deep, position,
                fmt::format("with this alias, more than {} levels of maps and lists", max_depth),
                "Make the document flatter.");
  }
  return add(anchored->second.node, false);
}

bool Builder::count_copy(const Extent& extent, base::Position position) {
  copied_bytes_ += extent.bytes;
  if (copied_bytes_ <= max_alias_bytes) return true;
  return stop(code::alias_bomb, position,
              fmt::format("the anchors and aliases of this text stand for more than {} bytes ({} MiB)",
                          max_alias_bytes, max_alias_bytes >> 20),
              "Put anchors on small values only, and write out aliases of aliases.");
}

bool Builder::keep_anchor(std::string_view name, const Node& node) {
  if (name.empty()) return true;
  const Extent extent = extent_of(node);
  if (!count_copy(extent, node.position)) return false;
  anchors_.insert_or_assign(std::string(name), Anchored{node, extent});
  return true;
}

bool Builder::add(Node node, bool is_plain) {
  if (frames_.empty()) {
    root_ = std::move(node);
    return true;
  }
  Frame& frame = frames_.back();
  if (!frame.is_map) {
    std::get<List>(frame.node.value).push_back(std::move(node));
    return true;
  }
  if (!frame.pending) return add_key(std::move(node), is_plain);
  Entry entry = std::move(*frame.pending);
  frame.pending.reset();
  entry.value = std::move(node);
  if (frame.pending_is_merge && !entry.value.string()) {
    frame.merged.push_back(std::move(entry.value));
  } else {
    std::get<Map>(frame.node.value).push_back(std::move(entry));
  }
  return true;
}

bool Builder::add_key(Node node, bool is_plain) {
  const std::string* key = node.string();
  if (!key) {
    return stop(code::bad_key, node.position, fmt::format("{} cannot be a key", type_name(node)),
                "Give the value a name, or put the key in quotes.");
  }
  frames_.back().pending_is_merge = is_plain && *key == "<<";
  frames_.back().pending = Entry{*key, node.position, {}};
  return true;
}

/// Where a document has `apiVersion` and `kind` twice, only the line between the two is missing: that is
/// reported, and the first of them is gone on with.
bool Builder::drop_second_resource(Map& map) {
  std::map<std::string, std::size_t> seen;
  std::optional<std::size_t> begin;
  bool is_second = false;
  for (std::size_t i = 0; i < map.size(); ++i) {
    const auto key = without_lookalikes(map[i].key);
    if (key != "apiVersion" && key != "kind") continue;
    if (seen.emplace(key, i).second) continue;
    is_second = begin.has_value();
    if (!begin) begin = i;
  }
  if (!is_second) return false;
  auto error = source_.error(
      code::duplicate_key, map[*begin].position,
      fmt::format("a second resource begins here; the first is in line {}", map.front().position.line),
      "Put a line with `---` before it.");
  const base::Position at{map[*begin].position.line, 1};
  error.replacement = {at, at, "---\n"};
  fail(std::move(error));
  map.resize(*begin);
  return true;
}

/// Reports every key that is there twice, at its second place, and goes on with the first alone.
void Builder::drop_duplicates(Map& map) {
  std::vector<std::pair<std::string_view, std::size_t>> order;
  order.reserve(map.size());
  for (std::size_t i = 0; i < map.size(); ++i) order.emplace_back(map[i].key, i);
  std::ranges::sort(order);
  std::vector<std::size_t> later;
  for (std::size_t i = 1; i < order.size(); ++i) {
    const Entry& first = map[order[i - 1].second];
    const Entry& second = map[order[i].second];
    if (first.key != second.key) continue;
    later.push_back(order[i].second);
    parsed_.diagnostics.add(base::Severity::error, [&] {
      return source_.error(code::duplicate_key, second.position,
                           fmt::format("`{}:` is here a second time; the first is in line {}", second.key,
                                       first.position.line),
                           "Remove one of the two, or join what is below them.");
    });
  }
  if (later.empty()) return;
  std::ranges::sort(later);
  Map kept;
  kept.reserve(map.size() - later.size());
  for (std::size_t i = 0; i < map.size(); ++i)
    if (!std::ranges::binary_search(later, i)) kept.push_back(std::move(map[i]));
  map = std::move(kept);
}

/// Adds the entries of << that the map does not have itself (https://yaml.org/type/merge.html).
bool Builder::merge(Frame& frame) {
  if (frame.merged.empty()) return true;
  Map& map = std::get<Map>(frame.node.value);
  std::unordered_set<std::string> keys;
  for (const Entry& entry : map) keys.insert(entry.key);
  auto add_all = [&](Node& from) {
    Map* entries = std::get_if<Map>(&from.value);
    if (!entries) return false;
    for (Entry& entry : *entries)
      if (keys.insert(entry.key).second) map.push_back(std::move(entry));
    return true;
  };
  for (Node& value : frame.merged) {
    bool is_well = true;
    if (List* list = std::get_if<List>(&value.value)) {
      for (Node& item : *list) is_well = is_well && add_all(item);
    } else {
      is_well = value.is_null() || add_all(value);
    }
    if (!is_well) {
      return stop(code::bad_key, value.position, "the value of `<<` is no map",
                  "Give it an alias of a map, or a list of such aliases.");
    }
  }
  return true;
}

struct ParserDeleter {
  void operator()(fy_parser* parser) const { fy_parser_destroy(parser); }
};
struct DiagDeleter {
  void operator()(fy_diag* diag) const { fy_diag_destroy(diag); }
};

void discard(fy_diag*, void*, const char*, std::size_t) {}

/// The parser's first complaint.
base::Diagnostic complaint(const Source& source, const Wrapped& wrapped, fy_diag* diag,
                           std::optional<base::Position> open_bracket) {
  void* previous = nullptr;
  const fy_diag_error* error = fy_diag_errors_iterate(diag, &previous);
  if (!error)
    return source.error(code::syntax, {}, "the text is not well-formed YAML",
                        "Check it with a YAML-aware editor.");
  const auto position = wrapped.in_source({static_cast<std::uint32_t>(std::max(error->line, 1)),
                                           static_cast<std::uint32_t>(std::max(error->column, 1))});
  return explain(source, {error->msg ? error->msg : "", position, open_bracket});
}

}  // namespace

Parsed parse(const Source& source, std::size_t node_limit) {
  if (auto wrong = check_text(source)) return {.documents = {}, .diagnostics = {std::move(*wrong)}};
  const auto wrapped = wrap(source);
  if (!wrapped) return {.documents = {}, .diagnostics = {wrapped.error()}};
  const std::string_view text = wrapped->text.empty() ? source.text() : wrapped->text;
  Builder builder(source, *wrapped, node_limit);
  fy_diag_cfg diag_config;
  fy_diag_cfg_default(&diag_config);
  diag_config.fp = nullptr;
  diag_config.output_fn = discard;
  std::unique_ptr<fy_diag, DiagDeleter> diag(fy_diag_create(&diag_config));
  if (diag) fy_diag_set_collect_errors(diag.get(), true);
  fy_parse_cfg config{};
  // The depth is bounded here, by a number that is ours.
  config.flags = static_cast<fy_parse_cfg_flags>(FYPCF_QUIET | FYPCF_DISABLE_DEPTH_LIMIT);
  config.diag = diag.get();
  std::unique_ptr<fy_parser, ParserDeleter> parser(fy_parser_create(&config));
  if (!parser || fy_parser_set_string(parser.get(), text.data(), text.size()) != 0) {
    builder.fail(
        source.error(code::syntax, {}, "the YAML parser could not start", "Try again with more memory."));
    return builder.finish();
  }
  while (fy_event* event = fy_parser_parse(parser.get())) {
    bool is_last = event->type == FYET_STREAM_END;
    bool goes_on = builder.take(*event);
    fy_parser_event_free(parser.get(), event);
    if (!goes_on) return builder.finish();
    if (is_last) break;
  }
  if (fy_parser_get_stream_error(parser.get()))
    builder.fail(complaint(source, *wrapped, diag.get(), builder.open_bracket()));
  return builder.finish();
}

}  // namespace weft::yaml
