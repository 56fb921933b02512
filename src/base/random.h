// Random numbers as a thing that is passed in, so that a test can repeat a run.
#pragma once

#include <cstdint>
#include <string>

namespace weft::base {

/// A small fast generator (xoshiro256**, Blackman and Vigna 2018). Not for secrets.
class Random {
 public:
  explicit Random(std::uint64_t seed);
  /// Seeded from the kernel (getrandom).
  static Random from_entropy();

  std::uint64_t next();
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
