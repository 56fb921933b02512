#include "yaml/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "yaml/codes.h"
#include "yaml/limits.h"
#include "yaml/text.h"

namespace weft::yaml {
namespace {

using ::testing::HasSubstr;

Parsed parse_text(std::string text) { return parse(Source("file.yaml", std::move(text))); }

std::string json_of(std::string text) {
  Parsed parsed = parse_text(std::move(text));
  if (base::has_errors(parsed.diagnostics)) return base::render(parsed.diagnostics);
  std::string all;
  for (const Node& document : parsed.documents) all += (all.empty() ? "" : " ") + to_json(document).dump();
  return all;
}

std::string repeat(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

struct Broken {
  std::string name;
  std::string text;
  std::string_view code;
  std::uint32_t line;
  std::uint32_t column;
  std::string mend;  // a part of it
};

class BrokenText : public ::testing::TestWithParam<Broken> {};

TEST_P(BrokenText, IsRefusedWithPlaceAndMend) {
  const Broken& broken = GetParam();
  Parsed parsed = parse_text(broken.text);
  ASSERT_EQ(parsed.diagnostics.size(), 1U) << base::render(parsed.diagnostics);
  const base::Diagnostic& found = parsed.diagnostics.front();
  EXPECT_EQ(found.code, broken.code) << base::render(found);
  EXPECT_EQ(found.position.line, broken.line) << base::render(found);
  EXPECT_EQ(found.position.column, broken.column) << base::render(found);
  EXPECT_THAT(found.mend, HasSubstr(broken.mend)) << base::render(found);
  EXPECT_EQ(found.file, "file.yaml");
  EXPECT_EQ(found.severity, base::Severity::error);
}

const Broken broken_texts[] = {
    {"TabAsIndent", "a:\n\tb: 1\n", code::tab, 2, 1, "spaces"},
    {"TabAfterSpaces", "a:\n  \tb: 1\n", code::tab, 2, 3, "spaces"},
    {"TabBelowAValue", "a: 1\n\tb: 2\n", code::tab, 2, 1, "spaces"},
    {"TabBelowAValueDeeper", "c:\n  a: 1\n  \tb: 2\n", code::tab, 3, 3, "spaces"},
    {"TabBeforeItem", "a:\n\t- b\n", code::tab, 2, 1, "spaces"},
    {"KeyDeeperThanItsSibling", "a: x\n   b: y\n", code::bad_indent, 2, 4,
     "Line up `b:` with `a:` in line 1, column 1: remove 3 spaces"},
    {"KeyDeeperInItem", "a:\n- b: 1\n   c: 2\n", code::bad_indent, 3, 4, "column 3: remove 1 space"},
    {"KeyDeeperWithMapBelow", "metadata:\n  name: x\n   labels:\n    a: b\n", code::bad_indent, 3, 4,
     "with `name:` in line 2, column 3"},
    {"KeyBetweenTwoBlocks", "a:\n    b: 1\n  c: 2\n", code::bad_indent, 3, 3,
     "with `b:` in line 2, column 5 (add 2 spaces), or with `a:`"},
    {"KeyShallowerThanItem", "a:\n- b: 1\n c: 2\n", code::bad_indent, 3, 2,
     "with `b:` in line 2, column 3 (add 1 space)"},
    {"ItemShallowerThanItem", "a:\n  - b\n - c\n", code::bad_indent, 3, 2, "the `-` in line 2, column 3"},
    {"ItemAmongKeys", "b: 1\n- a\n", code::bad_indent, 2, 1, "A list item cannot stand among keys"},
    {"KeyAmongItems", "- a\nb: 1\n", code::bad_indent, 2, 1, "A key cannot stand among list items"},
    {"KeyBelowPlainItem", "- a\n  b: 1\n", code::bad_indent, 2, 3, "- name: a"},
    {"DuplicateKey", "a: 1\nb: 2\na: 3\n", code::duplicate_key, 3, 1, "Remove one"},
    {"DuplicateKeyInFlow", "x: {a: 1, a: 2}\n", code::duplicate_key, 1, 11, "Remove one"},
    {"UnclosedDoubleQuote", "a: \"x\nb: 2\nc: 3\n", code::unclosed_quote, 1, 4, "closing \""},
    {"UnclosedSingleQuote", "a: 'x\nb: 2\n", code::unclosed_quote, 1, 4, "closing '"},
    {"UnclosedQuoteAtEnd", "a: \"x\n", code::unclosed_quote, 1, 4, "closing \""},
    {"TextAfterQuote", "a: 'it's'\n", code::unclosed_quote, 1, 8, "''"},
    {"ColumnsCountCharacters", "é: \"ü\" x\n", code::unclosed_quote, 1, 8, "quote"},
    {"UnclosedBracket", "a: [1, 2\nb: 3\n", code::unbalanced_bracket, 1, 4, "closing ]"},
    {"UnclosedBrace", "a: {b: 1\nc: 2\n", code::unbalanced_bracket, 1, 4, "closing }"},
    {"UnclosedInSecondDocument", "a: 1\n---\nb: [\n", code::unbalanced_bracket, 3, 4, "closing ]"},
    {"ExtraBracket", "a: [1]]\n", code::unbalanced_bracket, 1, 7, "Remove"},
    {"MissingComma", "{a: 1 b: 2}\n", code::syntax, 1, 8, "comma"},
    {"NoSpaceAfterColon", "a:1\nb: 2\n", code::syntax, 1, 2, "Write `a: 1`"},
    {"NoColon", "a\nb: 2\n", code::syntax, 1, 1, "Write `a: `"},
    {"TwoColons", "a: b: c\n", code::syntax, 1, 5, "quotes"},
    {"ListInLineOfKey", "a: - b\n", code::syntax, 1, 4, "next line"},
    {"ReservedCharacter", "a: @x\n", code::syntax, 1, 4, "quotes"},
    {"UnknownEscape", "a: \"\\q\"\n", code::syntax, 1, 5, "backslash"},
    {"TemplatePlaceholder", "a: {{ .Values.x }}\n", code::bad_key, 1, 5, "template"},
    {"ListAsKey", "? [a]\n: b\n", code::bad_key, 1, 3, "quotes"},
    {"NullAsKey", ": b\n", code::bad_key, 1, 1, "name"},
    {"UnknownAlias", "a: *x\n", code::unknown_alias, 1, 4, "`&x`"},
    {"AliasOfItself", "a: &x [*x]\n", code::unknown_alias, 1, 8, "`&x`"},
    {"UnknownTag", "a: !foo x\n", code::unsupported_tag, 1, 9, "Remove"},
    {"TagThatDoesNotFit", "a: !!int x\n", code::unsupported_tag, 1, 10, "Remove"},
    {"MergeOfNoMap", "a: 1\n<<: [1]\n", code::bad_key, 2, 5, "alias"},
    {"NoBreakSpaceInTheLineBefore", "a:\n  b: 1\n\u00a0 c: 2\n  d: 3\n", code::syntax, 3, 1,
     "Write a space in place of a no-break space (U+00A0) in column 1"},
    {"FullWidthColon", "a: 1\nb\uff1a 2\n", code::syntax, 2, 2,
     "Write `:` in place of a full-width colon (U+FF1A)"},
    {"TypographicDash", "a:\n- b\n\u2013 c\n", code::syntax, 3, 1, "Write `-`"},
    {"TypographicQuote", "a: \"b\u201d\nc: 2\nd: 3\n", code::syntax, 1, 6, "typographic quote (U+201D)"},
    {"Nul", std::string("a: x\0y\n", 7), code::binary, 1, 5, "YAML file"},
    {"ControlCharacter", "a: x\x07\n", code::binary, 1, 5, "\\x07"},
    {"InvalidUtf8", "a: b\nc: \xFF\xFE\n", code::invalid_utf8, 2, 4, "UTF-8"},
    {"OverlongUtf8", "a: \xC0\x80\n", code::invalid_utf8, 1, 4, "UTF-8"},
    {"SurrogateInUtf8", "a: \xED\xA0\x80\n", code::invalid_utf8, 1, 4, "UTF-8"},
    {"Utf16",
     "\xFF\xFE"
     "a:",
     code::invalid_utf8, 1, 1, "UTF-8"},
    {"ElfProgram",
     std::string("\x7F"
                 "ELF\x02\x01\x01\0\0",
                 9),
     code::binary, 1, 8, "YAML file"},
};
INSTANTIATE_TEST_SUITE_P(Yaml, BrokenText, ::testing::ValuesIn(broken_texts),
                         [](const auto& one) { return one.param.name; });

struct Reads {
  std::string name;
  std::string text;
  std::string json;
};
class WellFormedText : public ::testing::TestWithParam<Reads> {};
TEST_P(WellFormedText, ReadsAs) { EXPECT_EQ(json_of(GetParam().text), GetParam().json); }

const Reads well_formed[] = {
    {"Nulls", "[~, null, Null, NULL, ]", "[null,null,null,null]"},
    {"Booleans", "[true, True, TRUE, false, False, FALSE]", "[true,true,true,false,false,false]"},
    {"WordsOfYaml11AreStrings", "[yes, no, on, off, y, n, .inf, .nan]",
     R"(["yes","no","on","off","y","n",".inf",".nan"])"},
    {"WholeNumbers", "[0, 10, -3, +4, 0x1f, 0o17, 0644, 9223372036854775807]",
     "[0,10,-3,4,31,15,420,9223372036854775807]"},
    {"Numbers", "[1.5, -0.5, 1e3, .5, 1., 18446744073709551616]",
     "[1.5,-0.5,1000.0,0.5,1.0,1.8446744073709552e+19]"},
    {"NotNumbers", "[1.2.3, 12:30, 1_000, 100m, 0x, 1e, --1, 0o8]",
     R"(["1.2.3","12:30","1_000","100m","0x","1e","--1","0o8"])"},
    {"QuotedIsString", R"(["1", 'true', "null", ""])", R"(["1","true","null",""])"},
    {"KeysAreStrings", "1: a\ntrue: b\n", R"({"1":"a","true":"b"})"},
    {"Tags", "[!!str 1, !!int 2, ! 3, !!float 4, !!bool true, !!null ~]", R"(["1",2,"3",4,true,null])"},
    {"Literal", "a: |\n  x\n   y\nb: >-\n  p\n  q\n", R"({"a":"x\n y\n","b":"p q"})"},
    {"Alias", "a: &x {b: 1}\nc: *x\nd: &y 2\ne: [*y]\n", R"({"a":{"b":1},"c":{"b":1},"d":2,"e":[2]})"},
    {"Merge", "a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n", R"({"a":{"b":1,"c":2},"d":{"b":1,"c":3}})"},
    {"MergeList", "a: &x {b: 1}\nc: &y {b: 2, d: 3}\ne: {<<: [*x, *y]}\n",
     R"({"a":{"b":1},"c":{"b":2,"d":3},"e":{"b":1,"d":3}})"},
    {"QuotedMergeKeyIsAKey", "\"<<\": {a: 1}\n", R"({"<<":{"a":1}})"},
    {"Documents", "a: 1\n---\n---\n# nothing\n---\nb: 2\n...\n", R"({"a":1} {"b":2})"},
    {"WindowsLines", "a: 1\r\nb:\r\n- 2\r\n", R"({"a":1,"b":[2]})"},
    {"ByteOrderMark",
     "\xEF\xBB\xBF"
     "a: 1\n",
     R"({"a":1})"},
    {"ByteOrderMarkAtALaterDocument",
     "a: 1\n---\n\xEF\xBB\xBF"
     "b: 2\n",
     R"({"a":1} {"b":2})"},
    {"ByteOrderMarkBeforeTheMarkerOfADocument",
     "a: 1\n\xEF\xBB\xBF"
     "---\nb: 2\n...\n\xEF\xBB\xBF# c\nc: 3\n",
     R"({"a":1} {"b":2} {"c":3})"},
    {"ByteOrderMarkBehindAComment",
     "\xEF\xBB\xBF# x\n\n\xEF\xBB\xBF"
     "a: 1\n",
     R"({"a":1})"},
    {"ByteOrderMarkInText", "a: 'x\xEF\xBB\xBF'\n", "{\"a\":\"x\xEF\xBB\xBF\"}"},
    {"Json", "{\"a\":[1,{\"b\":null}],\"c\":\"\\u00e9\"}", "{\"a\":[1,{\"b\":null}],\"c\":\"é\"}"},
    {"EmptyCollections", "a: {}\nb: []\n", R"({"a":{},"b":[]})"},
    {"Nothing", "", ""},
    {"CommentsOnly", "# a\n\n# b\n", ""},
};
INSTANTIATE_TEST_SUITE_P(Yaml, WellFormedText, ::testing::ValuesIn(well_formed),
                         [](const auto& one) { return one.param.name; });

std::string code_of(std::string text) {
  Parsed parsed = parse_text(std::move(text));
  return parsed.diagnostics.empty() ? "none" : parsed.diagnostics.front().code;
}

TEST(Limits, TenThousandLevels) {
  EXPECT_EQ(code_of(repeat("[", 10'000) + repeat("]", 10'000)), code::too_deep);
  EXPECT_EQ(code_of(repeat("[", 100'000)), code::too_deep);
  EXPECT_EQ(code_of(repeat("{a: ", 10'000) + repeat("}", 10'000)), code::too_deep);
  EXPECT_EQ(code_of(repeat("- ", 10'000) + "x\n"), code::too_deep);
  EXPECT_EQ(code_of(repeat("? ", 10'000) + "x\n"), code::bad_key);
  std::string block;
  for (std::size_t level = 0; level < 3'000; ++level) block += std::string(level, ' ') + "a:\n";
  EXPECT_EQ(code_of(block), code::too_deep);
}

TEST(Limits, OpenBracketsAreCountedBeforeTheParserHoldsThem) {
  std::string lines;
  for (int i = 0; i < 2'900; ++i) lines += repeat("[", 1000) + "\n";
  const auto parsed = parse(Source("f.yaml", lines));
  ASSERT_EQ(parsed.diagnostics.size(), 1U);
  EXPECT_EQ(parsed.diagnostics[0].code, code::too_deep);
  EXPECT_EQ(parsed.diagnostics[0].position.line, 11U) << "nothing was parsed";
}

TEST(Limits, DepthIsExact) {
  EXPECT_EQ(code_of(repeat("[", max_depth) + repeat("]", max_depth)), "none");
  EXPECT_EQ(code_of(repeat("[", max_depth + 1) + repeat("]", max_depth + 1)), code::too_deep);
}

TEST(Limits, AliasesDoNotMakeADocumentTooDeep) {
  std::string text = "a0: &a0 [x]\n";
  for (std::size_t i = 1; i < 200; ++i)
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + "]\n";
  EXPECT_EQ(code_of(text), code::too_deep);
}

TEST(Limits, AliasBomb) {
  std::string text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    std::string alias = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + repeat(alias + ",", 9) + "]\n";
  }
  EXPECT_EQ(code_of(text), code::alias_bomb);
}

TEST(Limits, AnchorsOfMuch) {
  EXPECT_EQ(code_of("a: &a [" + repeat("x,", max_alias_bytes / sizeof(Node)) + "]\n"), code::alias_bomb);
}

TEST(Limits, AliasesAreCountedInBytes) {
  const std::string big(max_alias_bytes / 8, 'x');
  EXPECT_EQ(code_of("a: &a " + big + "\nb: [" + repeat("*a,", 6) + "]\n"), "none");
  EXPECT_EQ(code_of("a: &a " + big + "\nb: [" + repeat("*a,", 8) + "]\n"), code::alias_bomb);
  EXPECT_EQ(code_of("a: &a {\"" + std::string(1000, 'k') + "\": 1}\nb:\n" + repeat("- *a\n", 5'000)),
            code::alias_bomb)
      << "keys count";
  EXPECT_EQ(code_of("a: &a " + std::string(400, 'x') + "\n" + "b:\n" + repeat("- <<: {x: *a}\n", 20'000)),
            code::alias_bomb)
      << "so does what is merged";
  EXPECT_EQ(code_of(repeat("- &a " + std::string(1000, 'x') + "\n", 5'000)), code::alias_bomb)
      << "an anchor keeps its value";
  std::string nested;
  for (int i = 0; i < 100; ++i) nested += "&a" + std::to_string(i) + " [";
  EXPECT_EQ(code_of(nested + std::string(100'000, 'x') + repeat("]", 100)), code::alias_bomb)
      << "an anchor around anchors keeps all of it again";
}

TEST(Limits, WhatIsSaidIsBounded) {
  const std::string long_key(1'000'000, 'k');
  for (const std::string& text :
       {repeat("k: 1\n", 100'000), "{" + repeat("a: b,", 100'000) + "}", repeat("---\nk: 1\nk: 2\n", 50'000),
        "'" + long_key + "': 1\n'" + long_key + "': 2\n", "a: !<" + long_key + "> x\n",
        "a: " + std::string(1'000'000, 'y') + ": b: c\n"}) {
    const Parsed parsed = parse_text(text);
    EXPECT_TRUE(base::has_errors(parsed.diagnostics));
    EXPECT_LT(base::render(parsed.diagnostics).size(), 100'000U) << text.substr(0, 20);
  }
  EXPECT_LT(parse_json("\"" + long_key).error().message.size(), 3'000U);
}

TEST(Limits, ALongLineIsShownAroundItsFault) {
  const Parsed parsed =
      parse_text("{" + repeat("é: a, ", 1'000) + "b: 1, b: 2, " + repeat("c, ", 1'000) + "}");
  const base::Diagnostic& found = parsed.diagnostics.at(parsed.diagnostics.size() - 1);
  const std::string text = base::render(found);
  const auto lines = [&text] {
    std::vector<std::string> all;
    for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
      all.push_back(text.substr(at, end - at));
    return all;
  }();
  EXPECT_LT(text.size(), 1'500U);
  ASSERT_GE(lines.size(), 3U);
  EXPECT_THAT(lines[1], HasSubstr("..."));
  EXPECT_EQ(lines[2].back(), '^');
}

TEST(Limits, TextAndLineSize) {
  EXPECT_EQ(code_of(repeat("# comment\n", (max_text_bytes / 10) + 1)), code::too_large);
  EXPECT_EQ(code_of("a: " + std::string(max_line_bytes, 'x')), code::too_large);
  EXPECT_EQ(code_of("a: " + std::string(max_line_bytes - 3, 'x')), "none");
}

TEST(Limits, JsonMayBeOneLine) {
  // Marks that no line may be broken at, and characters of two bytes.
  const std::string item = R"({"é,": "a, \"b, \\", "n": [1, 2]},)";
  const std::string many = repeat(item, (max_line_bytes + (64 << 10)) / item.size());
  const std::string text = "[\n" + many + R"({"x": 1, "x": 2}])";
  const Parsed parsed = parse_text(text);
  ASSERT_EQ(parsed.diagnostics.size(), 1U) << base::render(parsed.diagnostics);
  EXPECT_EQ(parsed.diagnostics.at(0).code, code::duplicate_key);
  const auto column = position_of(text, text.rfind("\"x\"")).column;
  EXPECT_EQ(parsed.diagnostics.at(0).position, (base::Position{2, column}));
  EXPECT_TRUE(json_of("[" + many + "0]") == base::Json::parse("[" + many + "0]").dump());
  EXPECT_EQ(code_of("[{\"a\": \"" + std::string(max_line_bytes, 'x') + "\"}]"), code::too_large)
      << "one value";
  EXPECT_EQ(code_of("[" + repeat("'a, b',", max_line_bytes / 7 + 1) + "]"), code::too_large) << "no JSON";
}

TEST(Limits, TooManyValues) {
  EXPECT_TRUE(parse(Source("", "[x, x, {a: x}]"), 6).diagnostics.empty());
  EXPECT_EQ(parse(Source("", "[x, x, {a: x}]"), 5).diagnostics.at(0).code, code::too_many_nodes);
  EXPECT_EQ(parse(Source("", "[&a [x, x], *a, *a]"), 8).diagnostics.at(0).code, code::too_many_nodes);
}

TEST(Parse, EveryDuplicateIsReported) {
  Parsed parsed = parse_text("a: 1\na: 2\nb: 1\nb: 2\n");
  EXPECT_EQ(parsed.diagnostics.size(), 2U);
  EXPECT_EQ(to_json(parsed.documents.at(0)).dump(), R"({"a":1,"b":1})") << "the first is kept";
}

TEST(Parse, PositionsOfKeysAndValues) {
  Parsed parsed = parse_text("a:\n  b: [1, \"x\"]\n  ü: y  # z\nc:\n- d: e\n  f:\n");
  ASSERT_EQ(parsed.documents.size(), 1U) << base::render(parsed.diagnostics);
  const Node& root = parsed.documents.front();
  EXPECT_EQ(locate(root, "a"), (base::Position{1, 1}));
  EXPECT_EQ(locate(root, "a.b"), (base::Position{2, 3}));
  EXPECT_EQ(locate(root, "a.b[1]"), (base::Position{2, 10}));
  EXPECT_EQ(find_path(root, "a.ü")->position, (base::Position{3, 6}));
  EXPECT_EQ(locate(root, "c[0]"), (base::Position{5, 3}));
  EXPECT_EQ(locate(root, "c[0].f"), (base::Position{6, 3}));
  EXPECT_EQ(find_path(root, "c[0].f")->position, (base::Position{6, 3}))
      << "an empty value stands where its key does";
  EXPECT_EQ(locate(root, "c[0].none.deeper"), (base::Position{5, 3})) << "the deepest part that exists";
  EXPECT_EQ(find_path(root, "c[1]"), nullptr);
}

TEST(Parse, WhatIsWrittenOfAValue) {
  const Source source("f.yaml", R"(a: 1.10 # x
b: {c: 0x1F, d: 'it''s', e: "q\"z", f: ~ }
g: [x, {y: z}, ] # w
h:
  i: [
    1, # one
    2]
  j: k, l
m: two
  lines
n: |
  block
o: &p v
q: [*p]
r: ü v
s:
)");
  const Parsed parsed = parse(source);
  ASSERT_EQ(parsed.documents.size(), 1U) << base::render(parsed.diagnostics);
  const std::pair<const char*, const char*> cases[] = {
      {"a", "1.10"},
      {"b.c", "0x1F"},
      {"b.d", "'it''s'"},
      {"b.e", "\"q\\\"z\""},
      {"b.f", "~"},
      {"b", "{c: 0x1F, d: 'it''s', e: \"q\\\"z\", f: ~ }"},
      {"g", "[x, {y: z}, ]"},
      {"h.i", "[\n    1, # one\n    2]"},
      {"h", "i: [\n    1, # one\n    2]\n  j: k, l"},
      {"m", nullptr},
      {"n", nullptr},
      {"o", "v"},
      {"q", nullptr},
      {"r", "ü v"},
      {"s", nullptr},
  };
  for (const auto& [path, text] : cases) {
    const auto written = source.written(*find_path(parsed.documents.front(), path));
    ASSERT_EQ(written.has_value(), text != nullptr) << path;
    if (text) EXPECT_EQ(*written, text) << path;
  }
  const auto change = source.replace(*source.written(*find_path(parsed.documents.front(), "r")), "w");
  EXPECT_EQ(change.begin, (base::Position{15, 4}));
  EXPECT_EQ(change.end, (base::Position{15, 7}));
}

TEST(Parse, WhatIsWrittenFarBehindInALine) {
  const Source source("f.yaml", "é: [" + repeat("ü😀, ", 1000) + "x]\n");
  const Parsed parsed = parse(source);
  ASSERT_EQ(parsed.documents.size(), 1U) << base::render(parsed.diagnostics);
  const List& list = *find_path(parsed.documents.front(), "é")->list();
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const auto written = source.written(list[i]);
    ASSERT_EQ(written, "ü😀") << i;
    ASSERT_EQ(source.replace(*written, "").end, (base::Position{1, 7 + 4 * i})) << i;
  }
  EXPECT_EQ(source.from({1, 4005}), "x]\n");
  EXPECT_EQ(source.from({1, 5000}), "");
  EXPECT_EQ(source.from({9, 1}), "");
}

TEST(Parse, NothingOfWhatMayBeASecretIsShown) {
  for (const std::string text :
       {"kind: Secret\nstringData:\n  a: |\n-----BEGIN KEY-----\nhunter2: [\n",
        "stringData:\n  a: hunter2\n    b: c\n", "kind:\n  Secret\ndata:\n  a: 'hunter2\n",
        "kind: secret\ndata: {a: hunter2\n", "kind: Secret\ndata:\n  a: hunter2\n    b: x\n",
        "kind: Secret\ndata:\n  a: hunter2\n    'b': x\n---\nc: d\n", "kind: Secret\ndata: {a: *hunter2}\n",
        "kind: Secret\ndata:\n  a: !hunter2 x\n", "kind: Secret\ndata:\n- hunter2\n  a: b\n",
        "kind: Secret\ndata:\n  a:hunter2\n  b: c\n", "{\"kind\":\"Secret\",\"data\":{\"a\":\"hunter2\"\n",
        "kind: Secret\n--- # x\na: hunter2: b\nSecret: x\n"}) {
    const auto shown = base::render(parse_text(text).diagnostics);
    EXPECT_THAT(shown, HasSubstr("error")) << text;
    EXPECT_THAT(shown, ::testing::Not(HasSubstr("hunter2"))) << text;
  }
  for (const std::string text : {"kind: Secret\n---\na: {shown\n", "a: {shown\n---\nkind: Secret\n",
                                 "# no Secret\nenvFrom: [{secretRef: {name: shown}\n"})
    EXPECT_THAT(base::render(parse_text(text).diagnostics), HasSubstr("shown")) << text;
}

TEST(Parse, KeepsMapOrder) {
  Parsed parsed = parse_text("z: 1\na: 2\nm: 3\n");
  const Map& map = *parsed.documents.front().map();
  EXPECT_EQ(map[0].key + map[1].key + map[2].key, "zam");
}

TEST(Parse, DocumentsBeforeAnErrorAreKept) {
  Parsed parsed = parse_text("a: 1\n---\nb: ]\n");
  EXPECT_EQ(parsed.documents.size(), 1U);
  EXPECT_TRUE(base::has_errors(parsed.diagnostics));
}

TEST(ParseJson, UnderTheSameLimits) {
  EXPECT_EQ(parse_json(R"({"a": [1, "]["]})")->dump(), R"({"a":[1,"]["]})");
  EXPECT_EQ(parse_json(repeat("[", 10'000)).error().code, code::too_deep);
  EXPECT_EQ(parse_json(std::string(max_text_bytes + 1, ' ')).error().code, code::too_large);
  auto broken = parse_json("{\"a\": 1,\n \"b\" 2}");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, code::json_syntax);
  EXPECT_EQ(broken.error().position.line, 2U);
  EXPECT_FALSE(parse_json("\"\xFF\""));
  EXPECT_FALSE(parse_json("1e999"));
  EXPECT_FALSE(parse_json(""));
}

TEST(Source, Lines) {
  Source source("f", "a\r\nb\n\nc");
  EXPECT_EQ(source.line_count(), 4U);
  EXPECT_EQ(source.line(1), "a");
  EXPECT_EQ(source.line(2), "b");
  EXPECT_EQ(source.line(3), "");
  EXPECT_EQ(source.line(4), "c");
  EXPECT_EQ(source.line(0), "");
  EXPECT_EQ(source.line(5), "");
}

}  // namespace
}  // namespace weft::yaml
