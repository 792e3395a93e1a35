#include "worker/trainer/data/random.h"

#include "common/random.h"

namespace tutti::trainer {

uint64_t MixNumbers(std::initializer_list<uint64_t> values) {
  uint64_t state = 0;
  for (const uint64_t value : values) state = MixBits(state + value);
  return state;
}

}  // namespace tutti::trainer
