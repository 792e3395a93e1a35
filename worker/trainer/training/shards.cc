#include "worker/trainer/training/shards.h"

#include <algorithm>

namespace tutti::trainer {
namespace {

// SplitMix64 (https://doi.org/10.1145/2714064.2660195): every bit of the input moves every bit of the result.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

Range PartOf(Range whole, int64_t part, int64_t parts) {
  const int64_t least = whole.size() / parts;
  const int64_t larger = whole.size() % parts;
  const int64_t begin = whole.begin + part * least + std::min(part, larger);
  return {begin, begin + least + (part < larger ? 1 : 0)};
}

uint64_t ShardSeed(int64_t seed, int64_t step, int64_t shard) {
  return Mix(Mix(Mix(static_cast<uint64_t>(seed)) ^ static_cast<uint64_t>(step)) ^ static_cast<uint64_t>(shard));
}

Range Plan::Batch(int64_t step) const {
  const int64_t begin = step % steps_per_epoch * batch_size;
  return {begin, std::min(begin + batch_size, samples)};
}

}  // namespace tutti::trainer
