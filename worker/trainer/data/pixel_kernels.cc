#include "worker/trainer/data/pixel_kernels.h"

#include <algorithm>
#include <array>

namespace tutti::trainer {
namespace {

void Convert(const uint8_t* source, int64_t count, float scale, float shift, float* target) {
  for (int64_t i = 0; i < count; ++i) target[i] = static_cast<float>(source[i]) * scale + shift;
}

void ConvertReversed(const uint8_t* last, int64_t count, float scale, float shift, float* target) {
  for (int64_t i = 0; i < count; ++i) target[i] = static_cast<float>(last[-i]) * scale + shift;
}

void PlaceRow(const uint8_t* row, const AxisPlacement& columns, float scale, float shift, float* target) {
  std::fill(target, target + columns.first, shift);
  const uint8_t* const start = row + (columns.direction * columns.first + columns.offset);
  const int64_t count = columns.last - columns.first;
  if (columns.direction > 0) {
    Convert(start, count, scale, shift, target + columns.first);
  } else {
    ConvertReversed(start, count, scale, shift, target + columns.first);
  }
  std::fill(target + columns.last, target + columns.size, shift);
}

bool IsWhole(const AxisPlacement& axis) {
  return axis.direction > 0 && axis.offset == 0 && axis.first == 0 && axis.last == axis.size;
}

}  // namespace

void PlaceChannel(const uint8_t* source, const ImagePlacement& placement, float scale, float shift, float* target) {
  const AxisPlacement& rows = placement.rows;
  const AxisPlacement& columns = placement.columns;
  if (IsWhole(rows) && IsWhole(columns)) {
    Convert(source, rows.size * columns.size, scale, shift, target);
    return;
  }
  std::fill(target, target + rows.first * columns.size, shift);
  const bool nothing = columns.first == columns.last;
  for (int64_t y = rows.first; y < rows.last; ++y) {
    float* const out = target + y * columns.size;
    if (nothing) {
      std::fill(out, out + columns.size, shift);
    } else {
      PlaceRow(source + (rows.direction * y + rows.offset) * columns.size, columns, scale, shift, out);
    }
  }
  std::fill(target + rows.last * columns.size, target + rows.size * columns.size, shift);
}

void CountBytes(const uint8_t* bytes, int64_t count, int64_t* histogram) {
  // Four tables in turn: a run of equal bytes, the background of most pictures, would wait for itself in one.
  std::array<std::array<int64_t, 256>, 4> tables{};
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    for (size_t lane = 0; lane < 4; ++lane) ++tables[lane][bytes[i + static_cast<int64_t>(lane)]];
  }
  for (; i < count; ++i) ++tables[0][bytes[i]];
  for (const auto& table : tables) {
    for (size_t value = 0; value < table.size(); ++value) histogram[value] += table[value];
  }
}

}  // namespace tutti::trainer
