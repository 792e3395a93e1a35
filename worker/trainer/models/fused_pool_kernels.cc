#include "worker/trainer/models/fused_pool_kernels.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace tutti::trainer {
namespace {

// Four outputs at a time in the vectors of GCC and Clang, which every CPU has in some form. The compilers' own
// vectoriser takes these loops by sixteen, the bytes in a register, and leaves the short rows of late layers to scalar
// code whose branches nobody can predict.
constexpr int64_t kLanes = 4;
using Floats = float __attribute__((vector_size(kLanes * sizeof(float))));
using Integers = int32_t __attribute__((vector_size(kLanes * sizeof(int32_t))));
using Bytes = uint8_t __attribute__((vector_size(kLanes)));

constexpr int32_t kNone = 4;

template <typename Vector, typename Element>
Vector Load(const Element* from) {
  Vector vector;
  std::memcpy(&vector, from, sizeof(Vector));
  return vector;
}

template <typename Vector, typename Element>
void Store(const Vector& vector, Element* to) {
  std::memcpy(to, &vector, sizeof(Vector));
}

// Of eight elements in a row, those at even and those at odd places.
struct Pairs {
  Floats even, odd;
};

Pairs LoadPairs(const float* from) {
  const Floats low = Load<Floats>(from), high = Load<Floats>(from + kLanes);
  return {__builtin_shufflevector(low, high, 0, 2, 4, 6), __builtin_shufflevector(low, high, 1, 3, 5, 7)};
}

void StorePairs(const Floats& even, const Floats& odd, float* to) {
  Store(__builtin_shufflevector(even, odd, 0, 4, 1, 5), to);
  Store(__builtin_shufflevector(even, odd, 2, 6, 3, 7), to + kLanes);
}

// The largest so far and where it stood. A later one wins when it is larger or NaN.
struct Best {
  Floats value;
  Integers place;

  void Challenge(const Floats& challenger, int32_t its_place) {
    const Integers wins = (challenger > value) | (challenger != challenger);
    value = wins ? challenger : value;
    place = wins ? Integers{} + its_place : place;
  }
};

Best BestOf(const float* top, const float* bottom) {
  const Pairs upper = LoadPairs(top), lower = LoadPairs(bottom);
  Best best{upper.even, Integers{}};
  best.Challenge(upper.odd, 1);
  best.Challenge(lower.even, 2);
  best.Challenge(lower.odd, 3);
  return best;
}

// max(x, 0) that keeps NaN and -0 as at::relu does.
Floats Relu(const Floats& x) { return x < 0.0f ? Floats{} : x; }

struct WithWinners {
  uint8_t* winners;

  void Pool(const float* top, const float* bottom, float* output, int64_t x) const {
    const Best best = BestOf(top, bottom);
    Store(Relu(best.value), output);
    const Integers place = best.value <= 0.0f ? Integers{} + kNone : best.place;
    Store(__builtin_convertvector(place, Bytes), winners + x);
  }
};

struct WithoutWinners {
  void Pool(const float* top, const float* bottom, float* output, int64_t) const {
    Store(Relu(BestOf(top, bottom).value), output);
  }
};

void SpreadLanes(const float* gradient, const uint8_t* winners, float* top, float* bottom) {
  const Floats g = Load<Floats>(gradient) + 0.0f;  // -0 becomes +0, as where ATen adds it to 0
  const Integers winner = __builtin_convertvector(Load<Bytes>(winners), Integers);
  StorePairs(winner == 0 ? g : Floats{}, winner == 1 ? g : Floats{}, top);
  StorePairs(winner == 2 ? g : Floats{}, winner == 3 ? g : Floats{}, bottom);
}

// Calls `work` with the start of every group of lanes. The last one overlaps the one before it where count is no
// multiple: the same results are written twice.
template <typename Work>
void ForLanes(int64_t count, Work work) {
  int64_t x = 0;
  for (; x + kLanes <= count; x += kLanes) work(x);
  if (x < count) work(count - kLanes);
}

constexpr size_t kNarrow = 2 * kLanes;  // inputs of a row that has fewer outputs than lanes, padded

template <typename Mode>
void PoolRow(const float* top, const float* bottom, int64_t count, float* output, const Mode& mode) {
  ForLanes(count, [&](int64_t x) { mode.Pool(top + 2 * x, bottom + 2 * x, output + x, x); });
}

template <typename Mode>
void PoolNarrowRow(const float* top, const float* bottom, int64_t count, float* output, const Mode& mode) {
  std::array<float, kNarrow> upper{}, lower{};
  std::array<float, kLanes> result{};
  std::copy_n(top, 2 * count, upper.begin());
  std::copy_n(bottom, 2 * count, lower.begin());
  mode.Pool(upper.data(), lower.data(), result.data(), 0);
  std::copy_n(result.begin(), count, output);
}

void SpreadRow(const float* gradient, const uint8_t* winners, int64_t count, float* top, float* bottom) {
  ForLanes(count, [&](int64_t x) { SpreadLanes(gradient + x, winners + x, top + 2 * x, bottom + 2 * x); });
}

void SpreadNarrowRow(const float* gradient, const uint8_t* winners, int64_t count, float* top, float* bottom) {
  std::array<float, kLanes> gradients{};
  std::array<uint8_t, kLanes> places{};
  std::array<float, kNarrow> upper{}, lower{};
  std::copy_n(gradient, count, gradients.begin());
  std::copy_n(winners, count, places.begin());
  SpreadLanes(gradients.data(), places.data(), upper.data(), lower.data());
  std::copy_n(upper.begin(), 2 * count, top);
  std::copy_n(lower.begin(), 2 * count, bottom);
}

// Calls `work` with the offsets of every row of the output and of the upper one of its two rows of the input.
template <typename Work>
void ForRows(const PoolShape& shape, Work work) {
  const int64_t rows = shape.height / 2, columns = shape.width / 2;
  for (int64_t plane = 0; plane < shape.planes; ++plane) {
    for (int64_t y = 0; y < rows; ++y) {
      work((plane * rows + y) * columns, (plane * shape.height + 2 * y) * shape.width);
    }
  }
}

void ClearLastColumn(const PoolShape& shape, float* result) {
  for (int64_t row = 1; row <= shape.planes * shape.height; ++row) result[row * shape.width - 1] = 0.0f;
}

void ClearLastRow(const PoolShape& shape, float* result) {
  for (int64_t plane = 1; plane <= shape.planes; ++plane) {
    std::fill_n(result + (plane * shape.height - 1) * shape.width, shape.width, 0.0f);
  }
}

}  // namespace

void PoolForward(const PoolShape& shape, const float* input, float* output, uint8_t* winners) {
  const int64_t count = shape.width / 2;
  ForRows(shape, [&](int64_t to, int64_t from) {
    const float *const top = input + from, *const bottom = top + shape.width;
    if (count >= kLanes) return PoolRow(top, bottom, count, output + to, WithWinners{winners + to});
    std::array<uint8_t, kLanes> places{};
    PoolNarrowRow(top, bottom, count, output + to, WithWinners{places.data()});
    std::copy_n(places.begin(), count, winners + to);
  });
}

void PoolForwardOnly(const PoolShape& shape, const float* input, float* output) {
  const int64_t count = shape.width / 2;
  const auto pool = count >= kLanes ? PoolRow<WithoutWinners> : PoolNarrowRow<WithoutWinners>;
  ForRows(shape, [&](int64_t to, int64_t from) {
    pool(input + from, input + from + shape.width, count, output + to, WithoutWinners{});
  });
}

void PoolBackward(const PoolShape& shape, const float* gradient, const uint8_t* winners, float* result) {
  const int64_t count = shape.width / 2;
  const auto spread = count >= kLanes ? SpreadRow : SpreadNarrowRow;
  ForRows(shape, [&](int64_t from, int64_t to) {
    spread(gradient + from, winners + from, count, result + to, result + to + shape.width);
  });
  if (shape.width % 2 != 0) ClearLastColumn(shape, result);
  if (shape.height % 2 != 0) ClearLastRow(shape, result);
}

}  // namespace tutti::trainer
