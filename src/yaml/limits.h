// How much of a YAML or JSON text weft takes in. They bound memory and stack: a text is as hostile as a
// request.
#pragma once

#include <cstddef>

namespace weft::yaml {

/// Kubernetes takes 3 MiB for a resource; a file of many resources is bigger. A tree takes about 10 times its
/// text.
constexpr std::size_t max_text_bytes = std::size_t{16} << 20;
/// The parser holds a line's tokens until it knows that none of them is a key, 150 bytes for each byte of the
/// line. JSON, which many programs write in one line, is broken into lines for it (text.h).
constexpr std::size_t max_line_bytes = std::size_t{1} << 20;
/// The deepest Kubernetes resource (a CustomResourceDefinition's schema aside) has some 20 levels.
constexpr std::size_t max_depth = 128;
/// Brackets that are open at one place of a text, those in strings and comments too, which are not told apart
/// before it is parsed. The parser holds all that follows an open one until it knows that it is no key, 270
/// bytes for each byte, before max_depth can stop it.
constexpr std::size_t max_open_brackets = 10'000;
/// Maps, lists and scalars of one text, and so its documents and the items of its lists; aliases are counted
/// as often as they are expanded. Real resources reach max_text_bytes first; text made to be dense would take
/// 1 GB without this.
constexpr std::size_t max_nodes = 4'000'000;
/// What anchors (&name) and aliases (*name) may copy in one text, in bytes of the tree (its nodes, keys and
/// strings): they are a convenience, and the way a bomb is made. A resource of Kubernetes' size, once.
constexpr std::size_t max_alias_bytes = std::size_t{4} << 20;

}  // namespace weft::yaml
