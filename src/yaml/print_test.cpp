#include "yaml/print.h"

#include <gtest/gtest.h>

#include <string>

#include "base/printable.h"
#include "base/random.h"
#include "yaml/parse.h"

namespace weft::yaml {
namespace {

base::Json read_back(const std::string& text) {
  Parsed parsed = parse(Source("", text));
  EXPECT_TRUE(parsed.diagnostics.empty()) << text << base::render(parsed.diagnostics);
  return parsed.documents.size() == 1 ? to_json(parsed.documents.front()) : base::Json("not one document");
}

TEST(Print, LooksLikeKubernetes) {
  base::Json document =
      base::Json::parse(R"({"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web", "labels": {}},
    "spec": {"ports": [{"port": 80, "name": "http"}, {"port": 443}], "x": [], "nested": [[1, 2], ["a"]], "text": "a\nb\n",
    "on": "yes", "version": "1.10", "mode": "0644", "empty": "", "null": null, "url": "http://a:80/x"}})");
  EXPECT_EQ(print(document), R"(apiVersion: v1
kind: Service
metadata:
  labels: {}
  name: web
spec:
  empty: ""
  mode: "0644"
  nested:
  - - 1
    - 2
  - - a
  "null": null
  "on": "yes"
  ports:
  - name: http
    port: 80
  - port: 443
  text: |
    a
    b
  url: http://a:80/x
  version: "1.10"
  x: []
)");
}

TEST(Print, KeepsTheOrderOfANode) {
  Parsed parsed = parse(Source("", "z: 1\na:\n- x: 2\n  b: 3\n"));
  EXPECT_EQ(print(parsed.documents.front()), "z: 1\na:\n- x: 2\n  b: 3\n");
}

TEST(Print, StringsReadBackAsThemselves) {
  for (std::string text : {"",          " ",
                           "a ",        " a",
                           "~",         "null",
                           "true",      "Yes",
                           "n",         "1",
                           "-1",        "+1",
                           "1.5",       "1e3",
                           "0x1f",      "0o7",
                           "010",       "1_000",
                           "12:30:45",  "2026-01-31",
                           ".inf",      "-",
                           "- a",       "a: b",
                           "a:",        ":a",
                           "a #b",      "#a",
                           "a#b",       "&a",
                           "*a",        "!a",
                           "%a",        "@a",
                           "`a",        "'a'",
                           "\"a\"",     "[a",
                           "{a",        "a]",
                           "a, b",      "a\tb",
                           "\ta",       "a\nb",
                           "a\n",       "\na",
                           "a\n\nb\n",  "a\n\n",
                           " a\nb",     "a\n b",
                           "a\r\nb",    "\x01",
                           "é",         "\u2028x",
                           "---",       "--- a",
                           "...",       "?",
                           "? a",       "|",
                           ">",         "<<",
                           "=",         "a\\b",
                           "\u009b2J",  "a\n\u009b",
                           "\x7f",      "a\n\u202eb\n",
                           "a\nb: c\n", "a\n# b\n",
                           "a\n---\n",  "key:  value\n\ttab\n",
                           "\u200bx",   "a\nb\U000e0041"}) {
    EXPECT_EQ(read_back(print(base::Json{{"k", text}})), (base::Json{{"k", text}}))
        << print(base::Json{{"k", text}});
    EXPECT_EQ(read_back(print(base::Json{{"x", {text}}})), (base::Json{{"x", {text}}}));
    EXPECT_EQ(read_back(print(base::Json{{text, 1}})), (base::Json{{text, 1}}))
        << print(base::Json{{text, 1}});
    EXPECT_EQ(read_back(print(base::Json(text))), base::Json(text)) << print(base::Json(text));
  }
}

TEST(Print, NothingThatATerminalObeys) {
  for (const char* text :
       {"\u009b2J", "a\n\u009b2J\n", "\x7f", "a\n\u202eb", "\x1b[2J", "a\r\nb", "\u200b", "a\n\U000e0041"}) {
    const std::string printed = print(base::Json{{"k", text}, {text, {text}}});
    EXPECT_EQ(base::printable(printed, base::Breaks::keep), printed);
  }
}

TEST(Print, NumbersKeepTheirType) {
  for (const char* text :
       {"0", "-7", "9223372036854775807", "3.0", "0.1", "1e300", "-2.5e-8", "true", "false"}) {
    base::Json value = base::Json::parse(text);
    base::Json back = read_back(print(base::Json{{"k", value}}))["k"];
    EXPECT_EQ(back, value) << text;
    EXPECT_EQ(back.is_number_float(), value.is_number_float()) << text;
  }
}

base::Json random_value(base::Random& random, int depth) {
  constexpr const char* words[] = {"",  "a", "a: b",   "- x",    "1",   "null", "two words", "line\nline\n",
                                   "é", "#", "x'y\"z", "  lead", "0x10"};
  switch (random.below(depth > 4 ? 4 : 7)) {
    case 0: return nullptr;
    case 1: return random.below(2) == 0;
    case 2: return static_cast<std::int64_t>(random.next());
    case 3: return words[random.below(std::size(words))];
    case 4:
    case 5: {
      base::Json object = base::Json::object();
      for (std::uint64_t i = random.below(4); i > 0; --i)
        object[words[random.below(std::size(words))]] = random_value(random, depth + 1);
      return object;
    }
    default: {
      base::Json list = base::Json::array();
      for (std::uint64_t i = random.below(4); i > 0; --i) list.push_back(random_value(random, depth + 1));
      return list;
    }
  }
}

TEST(Print, RandomDocumentsRoundTrip) {
  base::Random random(42);
  for (int i = 0; i < 3'000; ++i) {
    base::Json document{{"root", random_value(random, 0)}};
    std::string text = print(document);
    ASSERT_EQ(read_back(text), document) << text;
  }
}

}  // namespace
}  // namespace weft::yaml
