#include "coordinator/core/retention.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

namespace tutti::core {
namespace {

std::vector<size_t> NewestFirst(const std::vector<RetentionInput>& checkpoints) {
  std::vector<size_t> order(checkpoints.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, std::greater(), [&](size_t index) {
    const RetentionInput& checkpoint = checkpoints[index];
    return std::tuple(checkpoint.attempt.number, checkpoint.step);
  });
  return order;
}

std::optional<size_t> BestOf(const std::vector<RetentionInput>& checkpoints, const std::vector<size_t>& newest_first) {
  std::optional<size_t> best;
  for (const size_t index : newest_first) {
    const std::optional<double>& loss = checkpoints[index].validation_loss;
    if (!loss || std::isnan(*loss)) continue;
    if (!best || *loss < *checkpoints[*best].validation_loss) best = index;
  }
  return best;
}

}  // namespace

std::vector<size_t> ChooseForDeletion(const std::vector<RetentionInput>& checkpoints, int keep) {
  const std::vector<size_t> newest_first = NewestFirst(checkpoints);
  const std::optional<size_t> best = BestOf(checkpoints, newest_first);
  const size_t kept = std::min(newest_first.size(), static_cast<size_t>(std::max(keep, 1)));
  std::vector<size_t> chosen;
  for (size_t age = kept; age < newest_first.size(); ++age) {
    const size_t index = newest_first[age];
    if (index != best && !checkpoints[index].pinned) chosen.push_back(index);
  }
  std::ranges::sort(chosen);
  return chosen;
}

}  // namespace tutti::core
