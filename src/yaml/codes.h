// The stable names of what can be wrong with a text; docs/errors.md explains each.
#pragma once

#include <array>
#include <string_view>

namespace weft::yaml::code {

constexpr std::string_view too_large = "yaml/too-large";
constexpr std::string_view too_deep = "yaml/too-deep";
constexpr std::string_view too_many_nodes = "yaml/too-many-nodes";
constexpr std::string_view alias_bomb = "yaml/alias-bomb";
constexpr std::string_view binary = "yaml/binary";
constexpr std::string_view invalid_utf8 = "yaml/invalid-utf8";
constexpr std::string_view tab = "yaml/tab";
constexpr std::string_view bad_indent = "yaml/bad-indent";
constexpr std::string_view duplicate_key = "yaml/duplicate-key";
constexpr std::string_view bad_key = "yaml/bad-key";
constexpr std::string_view unclosed_quote = "yaml/unclosed-quote";
constexpr std::string_view unbalanced_bracket = "yaml/unbalanced-bracket";
constexpr std::string_view unknown_alias = "yaml/unknown-alias";
constexpr std::string_view unsupported_tag = "yaml/unsupported-tag";
constexpr std::string_view syntax = "yaml/syntax";
constexpr std::string_view json_syntax = "yaml/json-syntax";

constexpr std::array all{
    too_large,     too_deep,        too_many_nodes, alias_bomb, binary,         invalid_utf8,
    tab,           bad_indent,      duplicate_key,  bad_key,    unclosed_quote, unbalanced_bracket,
    unknown_alias, unsupported_tag, syntax,         json_syntax};

}  // namespace weft::yaml::code
