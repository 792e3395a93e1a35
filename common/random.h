// Random numbers that are the same on every machine and with every standard library, whose distributions are not.
#pragma once

#include <cstdint>

namespace tutti {

// The number that SplitMix64 draws in a state: every bit of the state moves every bit of it. Steele, Lea, Flood 2014,
// "Fast splittable pseudorandom number generators", https://doi.org/10.1145/2660193.2660195.
inline uint64_t MixBits(uint64_t state) {
  state += 0x9E3779B97F4A7C15u;
  state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9u;
  state = (state ^ (state >> 27)) * 0x94D049BB133111EBu;
  return state ^ (state >> 31);
}

class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    const uint64_t drawn = MixBits(state_);
    state_ += 0x9E3779B97F4A7C15u;
    return drawn;
  }

 private:
  uint64_t state_;
};

}  // namespace tutti
