#include "ensemble/combiners.h"

#include <array>

namespace tutti::ensemble {
namespace {

constexpr std::array kCombiners{
    Combiner{"mean", Combiner::Shares::kProbabilities, CombineByMean},
    Combiner{"vote", Combiner::Shares::kCounts, CombineByVote},
};

}  // namespace

std::span<const Combiner> Combiners() { return kCombiners; }

Result<const Combiner*> FindCombiner(std::string_view name) {
  std::string known;
  for (const Combiner& combiner : kCombiners) {
    if (combiner.name == name) return &combiner;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", combiner.name);
  }
  return Fail(ErrorCode::kInvalid, "no combiner is named '{}'; there are: {}", name, known);
}

}  // namespace tutti::ensemble
