// docs/errors.md explains every code, docs/kinds.md names every field.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "model/codes.h"
#include "model/decode.h"
#include "model/kinds.h"
#include "model/protocol.h"
#include "yaml/codes.h"

namespace weft::model {
namespace {

std::string doc(const std::string& name) {
  std::ifstream file(std::string(WEFT_SOURCE_DIR) + "/docs/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Docs, EveryCodeIsExplained) {
  std::string text = doc("errors.md");
  for (std::string_view code : yaml::code::all)
    EXPECT_NE(text.find("### " + std::string(code) + "\n"), std::string::npos) << code;
  for (std::string_view code : model::code::all)
    EXPECT_NE(text.find("### " + std::string(code) + "\n"), std::string::npos) << code;
}

TEST(Docs, EveryExplainedCodeExists) {
  std::istringstream text(doc("errors.md"));
  for (std::string line; std::getline(text, line);) {
    bool is_ours = line.starts_with("### yaml/") || line.starts_with("### model/");
    if (!is_ours) continue;
    bool exists =
        std::ranges::find(yaml::code::all, std::string_view(line).substr(4)) != yaml::code::all.end() ||
        std::ranges::find(model::code::all, std::string_view(line).substr(4)) != model::code::all.end();
    EXPECT_TRUE(exists) << line;
  }
}

TEST(Docs, EveryProtocolIsInTheTable) {
  const std::string text = doc("kinds.md");
  for (const Protocol& protocol : protocols()) {
    std::string names;
    for (std::string_view name : protocol.names)
      if (!name.empty()) names += (names.empty() ? "`" : ", `") + std::string(name) + "`";
    std::string numbers;
    for (std::uint16_t number : protocol.numbers)
      if (number != 0) numbers += (numbers.empty() ? "" : ", ") + std::to_string(number);
    const std::string_view carried = protocol.traffic == AppProtocol::http    ? "HTTP/1.1"
                                     : protocol.traffic == AppProtocol::http2 ? "HTTP/2"
                                                                              : "TCP";
    const auto row = fmt::format("| {} | {} | {} | {} |", protocol.title, names, numbers, carried);
    EXPECT_NE(text.find(row), std::string::npos) << row;
  }
}

TEST(Docs, EveryFieldIsNamed) {
  std::string text = doc("kinds.md");
  for (const Kind& kind : kinds()) {
    EXPECT_NE(text.find(std::string(kind.kind)), std::string::npos) << kind.kind;
    for (const std::string& field : field_names(kind.kind, true)) {
      std::string last = field.substr(field.rfind('.') + 1);
      EXPECT_NE(text.find("`" + last + "`"), std::string::npos) << field;
    }
  }
}

}  // namespace
}  // namespace weft::model
