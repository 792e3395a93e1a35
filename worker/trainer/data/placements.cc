#include "worker/trainer/data/placements.h"

#include <algorithm>

namespace tutti::trainer {

void AxisPlacement::Shift(int64_t distance) {
  first = std::clamp<int64_t>(first - distance, 0, size);
  last = std::clamp<int64_t>(last - distance, first, size);
  offset += direction * distance;
}

void AxisPlacement::Reverse() {
  const int64_t old_first = first;
  first = size - last;
  last = size - old_first;
  offset += direction * (size - 1);
  direction = -direction;
}

}  // namespace tutti::trainer
