#include "coordinator/server/split.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <string_view>

#include "common/random.h"

namespace tutti::server {
namespace {

// Uniform in [0, bound): draws that would favour small values are thrown away.
uint64_t DrawBelow(uint64_t bound, SplitMix64& random) {
  const uint64_t unfair = (0 - bound) % bound;
  uint64_t draw = random.Next();
  while (draw < unfair) draw = random.Next();
  return draw % bound;
}

// How many of `available` samples a part has. Errors: kInvalid.
Result<int64_t> CountOf(const spec::PartSize& size, int64_t available, std::string_view part) {
  if (const auto* count = std::get_if<int64_t>(&size)) {
    if (*count < 0) return Fail(ErrorCode::kInvalid, "data.{}: {} samples cannot be drawn", part, *count);
    return *count;
  }
  const double fraction = std::get<double>(size);
  const auto count = static_cast<int64_t>(std::llround(fraction * static_cast<double>(available)));
  if (count < 1) {
    return Fail(ErrorCode::kInvalid, "data.{}: {} of {} samples is none: ask for a larger part or give a count", part,
                fraction, available);
  }
  return count;
}

// Takes the first `count` of what is left of the permutation.
std::vector<int64_t> Take(std::span<const int64_t>& rest, int64_t count) {
  const auto part = rest.first(static_cast<size_t>(count));
  rest = rest.subspan(static_cast<size_t>(count));
  std::vector<int64_t> ids(part.begin(), part.end());
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<int64_t> Range(int64_t first, int64_t count) {
  std::vector<int64_t> ids(static_cast<size_t>(count));
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

}  // namespace

std::vector<int64_t> Permutation(int64_t count, int64_t seed) {
  std::vector<int64_t> order = Range(0, count);
  SplitMix64 random(static_cast<uint64_t>(seed));
  for (size_t left = order.size(); left > 1; --left) std::swap(order[left - 1], order[DrawBelow(left, random)]);
  return order;
}

Result<SplitIds> DrawSplit(int64_t training_samples, int64_t test_samples, const spec::DataSpec& data) {
  TUTTI_ASSIGN_OR_RETURN(const int64_t validation, CountOf(data.validation, training_samples, "validation"));
  int64_t calibration = 0;
  if (data.calibration) {
    TUTTI_ASSIGN_OR_RETURN(calibration, CountOf(*data.calibration, training_samples, "calibration"));
  }
  int64_t drawn_test = 0;
  if (const auto* count = std::get_if<int64_t>(&data.test)) {
    TUTTI_ASSIGN_OR_RETURN(drawn_test, CountOf(*count, training_samples, "test"));
  }
  // One by one, since a sum of hostile counts may overflow.
  if (validation >= training_samples || calibration >= training_samples - validation ||
      drawn_test >= training_samples - validation - calibration) {
    return Fail(ErrorCode::kInvalid,
                "data: {} samples for validation, {} for calibration and {} for test leave none of the {} to train on: "
                "ask for less",
                validation, calibration, drawn_test, training_samples);
  }

  const std::vector<int64_t> order = Permutation(training_samples, data.split_seed);
  std::span<const int64_t> rest(order);
  SplitIds split;
  split.validation = Take(rest, validation);
  split.calibration = Take(rest, calibration);
  split.test = Take(rest, drawn_test);
  split.training = Take(rest, static_cast<int64_t>(rest.size()));
  if (std::holds_alternative<spec::DataSpec::SourceTest>(data.test)) split.test = Range(training_samples, test_samples);
  return split;
}

}  // namespace tutti::server
