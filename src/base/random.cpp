#include "base/random.h"

#include <fmt/format.h>
#include <sys/random.h>

namespace weft::base {
namespace {

/// SplitMix64 (Steele, Lea and Flood 2014): spreads one seed over the generator's state.
std::uint64_t split_mix(std::uint64_t& seed) {
  seed += 0x9e3779b97f4a7c15;
  std::uint64_t z = seed;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

Random::Random(std::uint64_t seed) {
  for (auto& word : state_) word = split_mix(seed);
}

Random Random::from_entropy() {
  std::uint64_t seed = 0;
  // Eight bytes never come in part, and fail only before the kernel has entropy at boot.
  while (getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed)) {
  }
  return Random(seed);
}

std::uint64_t Random::below(std::uint64_t bound) {
  // Lemire's multiply-shift; the bias for our bounds (below 2^32) is under 2^-32.
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
}

std::string Random::suffix(int length) {
  constexpr std::string_view alphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string text;
  for (int i = 0; i < length; ++i) text += alphabet[below(alphabet.size())];
  return text;
}

std::string Random::uuid() {
  const auto high = (next() & ~0xf000ULL) | 0x4000;
  const auto low = (next() & ~(3ULL << 62)) | (2ULL << 62);
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff, high & 0xffff,
                     low >> 48, low & 0xffffffffffff);
}

}  // namespace weft::base
