#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::storage {
namespace {

bool IsOlder(const RetentionInput& a, const RetentionInput& b) {
  return std::tie(a.attempt.number, a.step) < std::tie(b.attempt.number, b.step);
}

bool HasLoss(const RetentionInput& checkpoint) {
  return checkpoint.validation_loss && !std::isnan(*checkpoint.validation_loss);
}

}  // namespace

std::vector<size_t> ChooseForDeletion(const std::vector<RetentionInput>& checkpoints, int keep) {
  std::vector<size_t> by_age(checkpoints.size());
  std::iota(by_age.begin(), by_age.end(), size_t{0});
  std::sort(by_age.begin(), by_age.end(), [&](size_t a, size_t b) { return IsOlder(checkpoints[a], checkpoints[b]); });

  std::optional<size_t> best;
  for (const size_t index : by_age) {  // of equal ones the newest
    if (!HasLoss(checkpoints[index])) continue;
    if (!best || *checkpoints[index].validation_loss <= *checkpoints[*best].validation_loss) best = index;
  }

  const size_t spared = static_cast<size_t>(std::max(keep, 1));  // the newest is what a resume needs
  std::vector<size_t> chosen;
  for (size_t age = 0; age + spared < by_age.size(); ++age) {
    const size_t index = by_age[age];
    if (index != best && !checkpoints[index].pinned) chosen.push_back(index);
  }
  return chosen;
}

}  // namespace tutti::storage
