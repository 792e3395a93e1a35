// Where each pixel of an augmented image comes from, for augmentations that move pixels without changing them.
#pragma once

#include <cstdint>

namespace tutti::trainer {

// One axis: output coordinate x in [first, last) shows source coordinate direction * x + offset; all others show zero.
// Moves are applied one after the other, each to the image that the ones before made.
struct AxisPlacement {
  int64_t size = 0;
  int64_t direction = 1;
  int64_t offset = 0;
  int64_t first = 0;
  int64_t last = 0;  // first == last: all zero

  static AxisPlacement Whole(int64_t size) { return {size, 1, 0, 0, size}; }

  // Output x shows what stood at x + distance; what comes in from beyond the edge is zero.
  void Shift(int64_t distance);
  // Output x shows what stood at size - 1 - x.
  void Reverse();
};

struct ImagePlacement {
  AxisPlacement rows;
  AxisPlacement columns;
};

}  // namespace tutti::trainer
