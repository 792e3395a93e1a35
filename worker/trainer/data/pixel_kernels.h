// The inner loop of batch making. LibTorch-free, and compiled for speed in every build.
#pragma once

#include <cstdint>

#include "worker/trainer/data/placements.h"

namespace tutti::trainer {

// Writes one channel of an image, rows x columns floats, as scale * byte + shift. Where the placement shows nothing
// the byte is 0.
void PlaceChannel(const uint8_t* source, const ImagePlacement& placement, float scale, float shift, float* target);

// Adds the occurrences of each value among `count` bytes to the 256 entries of `histogram`.
void CountBytes(const uint8_t* bytes, int64_t count, int64_t* histogram);

}  // namespace tutti::trainer
