// Random numbers by counter: a draw is a function of what it is for, never of how many were drawn before.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace tutti::trainer {

// A well mixed number for a tuple of numbers, SplitMix64 chained over them (Steele, Lea, Flood 2014, "Fast splittable
// pseudorandom number generators"): state = 0; for each value: state = Finalize(state + 0x9E3779B97F4A7C15 + value).
// Tuples that differ in length, order or any value give unrelated numbers.
uint64_t MixNumbers(std::initializer_list<uint64_t> values);

// A number in [0, limit) from a mixed one, by its upper bits; the bias is below limit / 2^32.
inline int64_t BelowLimit(uint64_t mixed, int64_t limit) {
  return static_cast<int64_t>(((mixed >> 32) * static_cast<uint64_t>(limit)) >> 32);
}

}  // namespace tutti::trainer
