#include "common/spec/nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace tutti::spec {
namespace {

// Longer ones are no slips of the finger, and the table grows with the square.
constexpr size_t kLongestName = 100;

}  // namespace

size_t EditDistance(std::string_view first, std::string_view second) {
  std::vector<std::vector<size_t>> cost(first.size() + 1, std::vector<size_t>(second.size() + 1));
  for (size_t i = 0; i <= first.size(); ++i) cost[i][0] = i;
  for (size_t j = 0; j <= second.size(); ++j) cost[0][j] = j;
  for (size_t i = 1; i <= first.size(); ++i) {
    for (size_t j = 1; j <= second.size(); ++j) {
      const size_t change = first[i - 1] == second[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + change});
      const bool swapped = i > 1 && j > 1 && first[i - 1] == second[j - 2] && first[i - 2] == second[j - 1];
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[first.size()][second.size()];
}

std::optional<std::string> Nearest(std::string_view mistyped, std::span<const std::string> names) {
  if (mistyped.size() > kLongestName) return std::nullopt;
  std::optional<std::string> nearest;
  size_t least = 0;
  for (const std::string& name : names) {
    const size_t distance = EditDistance(mistyped, name);
    const size_t allowed = std::max<size_t>(1, std::min(mistyped.size(), name.size()) / 3);
    if (distance > allowed || distance >= std::max(mistyped.size(), name.size())) continue;
    if (nearest && distance >= least) continue;
    nearest = name;
    least = distance;
  }
  return nearest;
}

std::string Suggestion(std::string_view mistyped, std::span<const std::string> names) {
  const std::optional<std::string> nearest = Nearest(mistyped, names);
  return nearest ? fmt::format(" (did you mean '{}'?)", *nearest) : "";
}

}  // namespace tutti::spec
