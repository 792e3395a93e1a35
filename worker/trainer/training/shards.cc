#include "worker/trainer/training/shards.h"

#include <algorithm>

#include "common/random.h"

namespace tutti::trainer {

Range PartOf(Range whole, int64_t part, int64_t parts) {
  const int64_t least = whole.size() / parts;
  const int64_t larger = whole.size() % parts;
  const int64_t begin = whole.begin + part * least + std::min(part, larger);
  return {begin, begin + least + (part < larger ? 1 : 0)};
}

uint64_t ShardSeed(int64_t seed, int64_t step, int64_t shard) {
  return MixBits(MixBits(MixBits(static_cast<uint64_t>(seed)) ^ static_cast<uint64_t>(step)) ^
                 static_cast<uint64_t>(shard));
}

Range Plan::Batch(int64_t step) const {
  const int64_t begin = step % steps_per_epoch * batch_size;
  return {begin, std::min(begin + batch_size, samples)};
}

}  // namespace tutti::trainer
