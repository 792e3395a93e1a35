#include "worker/trainer/data/random.h"

namespace tutti::trainer {
namespace {

uint64_t Finalize(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace

uint64_t MixNumbers(std::initializer_list<uint64_t> values) {
  uint64_t state = 0;
  for (const uint64_t value : values) state = Finalize(state + 0x9E3779B97F4A7C15u + value);
  return state;
}

}  // namespace tutti::trainer
