// Content hashes: equal content gives an equal version, also after a restart.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace weft::base {

/// XXH3 with 64 bits; stable between runs and machines.
std::uint64_t hash64(std::string_view bytes);
/// SHA-1 (FIPS 180-4): for protocols that ask for it. Not for security.
std::array<char, 20> sha1(std::string_view bytes);
/// XXH3 with 128 bits as 32 hexadecimal digits; used as a version of content. Not for security.
std::string content_hash(std::string_view bytes);

}  // namespace weft::base
