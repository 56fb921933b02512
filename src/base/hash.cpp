#include "base/hash.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <new>

// Compiled in, not linked: libfyaml's archive holds an xxHash of its own, and a static link takes no symbol
// twice.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace weft::base {

std::uint64_t hash64(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::string content_hash(std::string_view bytes) {
  const auto hash = XXH3_128bits(bytes.data(), bytes.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::array<char, 20> sha1(std::string_view bytes) {
  std::array<char, 20> digest{};
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
                 EVP_sha1(), nullptr) != 1)
    throw std::bad_alloc();
  return digest;
}

}  // namespace weft::base
