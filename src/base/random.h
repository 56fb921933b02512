// Random numbers as a thing that is passed in, so that a test can repeat a run.
#pragma once

#include <bit>
#include <cstdint>
#include <string>

namespace weft::base {

/// A small fast generator (xoshiro256**, Blackman and Vigna 2018). Not for secrets.
class Random {
 public:
  explicit Random(std::uint64_t seed);
  /// Seeded from the kernel (getrandom).
  static Random from_entropy();

  std::uint64_t next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  /// Evenly in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
  /// `length` characters of Kubernetes' name-suffix alphabet (bcdfghjklmnpqrstvwxz2456789).
  std::string suffix(int length);
  /// An RFC 4122 version 4 UUID in text.
  std::string uuid();

 private:
  std::uint64_t state_[4];
};

}  // namespace weft::base
