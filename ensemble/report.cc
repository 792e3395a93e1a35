#include "ensemble/report.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace tutti::ensemble {
namespace {

// A split with its members' probabilities, all in the order of its labels.
struct PreparedSplit {
  Split split = Split::kValidation;
  std::span<const int64_t> labels;
  std::vector<Matrix> members;
};

Result<void> CheckLabels(Split split, const Labels& labels, int classes) {
  if (labels.ids.size() != labels.labels.size()) {
    return Fail(ErrorCode::kInvalid, "{}: {} sample ids beside {} labels", Name(split), labels.ids.size(),
                labels.labels.size());
  }
  for (size_t i = 0; i < labels.labels.size(); ++i) {
    if (labels.labels[i] < 0 || labels.labels[i] >= classes) {
      return Fail(ErrorCode::kInvalid, "{}: sample {} has label {}, outside the {} classes", Name(split), labels.ids[i],
                  labels.labels[i], classes);
    }
  }
  return {};
}

Result<Matrix> ProbabilitiesOf(const MemberInput& member, Split split, const Labels& labels, int classes) {
  const auto found = member.predictions.find(split);
  if (found == member.predictions.end()) {
    return Fail(ErrorCode::kInvalid, "member {} has no predictions on {}", member.name, Name(split));
  }
  const Predictions& predictions = found->second;
  if (predictions.logits.cols() != classes) {
    return Fail(ErrorCode::kInvalid, "member {} predicts {} classes on {}, the data has {}", member.name,
                predictions.logits.cols(), Name(split), classes);
  }
  auto probabilities = ProbabilitiesInOrder(predictions, labels.ids);
  if (!probabilities) {
    return FailBecause(std::move(probabilities.error()), "member {} on {}", member.name, Name(split));
  }
  return probabilities;
}

Result<PreparedSplit> Prepare(const ReportInput& input, Split split, const Labels& labels) {
  if (input.members.empty()) return Fail(ErrorCode::kInvalid, "no member has predictions to combine");
  if (input.classes < 1) return Fail(ErrorCode::kInvalid, "{} classes; there must be at least one", input.classes);
  TUTTI_RETURN_IF_ERROR(CheckLabels(split, labels, input.classes));
  PreparedSplit prepared{split, labels.labels, {}};
  for (const MemberInput& member : input.members) {
    TUTTI_ASSIGN_OR_RETURN(prepared.members.emplace_back(), ProbabilitiesOf(member, split, labels, input.classes));
  }
  return prepared;
}

// The figures of a Metrics that every predictor of probabilities has, so that mean and deviation are computed alike.
template <typename Function>
Metrics ForEachFigure(const std::vector<NamedMetrics>& members, Function&& combine) {
  const auto over = [&](auto&& figure) {
    std::vector<double> values;
    for (const NamedMetrics& member : members) values.push_back(figure(member.metrics));
    return combine(values);
  };
  Metrics result;
  result.accuracy = over([](const Metrics& metrics) { return metrics.accuracy; });
  result.nll = over([](const Metrics& metrics) { return metrics.nll.value(); });
  result.brier = over([](const Metrics& metrics) { return metrics.brier.value(); });
  result.ece = over([](const Metrics& metrics) { return metrics.ece.value(); });
  return result;
}

double MeanOf(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double DeviationOf(const std::vector<double>& values) {
  const double mean = MeanOf(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

Metrics MembersMean(const std::vector<NamedMetrics>& members) {
  Metrics mean = ForEachFigure(members, MeanOf);
  for (const NamedMetrics& member : members) mean.unanswered += member.metrics.unanswered;
  return mean;
}

std::optional<Metrics> MembersDeviation(const std::vector<NamedMetrics>& members) {
  if (members.size() < 2) return std::nullopt;
  return ForEachFigure(members, DeviationOf);
}

std::vector<NamedMetrics> EvaluateMembers(const ReportInput& input, const PreparedSplit& split) {
  std::vector<NamedMetrics> entries;
  for (size_t i = 0; i < split.members.size(); ++i) {
    entries.push_back({input.members[i].name, MetricsOf(split.members[i], split.labels)});
  }
  return entries;
}

std::vector<NamedMetrics> EvaluateCombiners(const PreparedSplit& split) {
  std::vector<NamedMetrics> entries;
  for (const Combiner& combiner : Combiners()) {
    const Combination combination = combiner.combine(split.members);
    entries.push_back({std::string(combiner.name), MetricsOf(combination, combiner.shares, split.labels)});
  }
  return entries;
}

// The losses of every comparison as columns, so that one pass of the bootstrap serves them all.
class Comparisons {
 public:
  Comparisons(const PreparedSplit& split, const Combiner& combiner) : split_(split) {
    answering_ = LossesOf(combiner.combine(split.members), combiner.shares, split.labels);
    for (const Matrix& member : split.members) members_.push_back(LossesOf(member, split.labels));
  }

  void AddBestMember(size_t best) { AddAll(Difference::Versus::kBestMember, {&members_[best], 1}); }
  void AddMembersMean() { AddAll(Difference::Versus::kMembersMean, members_); }

  std::vector<Difference> Compute() && {
    if (differences_.empty()) return {};
    Matrix table(static_cast<Eigen::Index>(split_.labels.size()), static_cast<Eigen::Index>(columns_.size()));
    for (size_t i = 0; i < columns_.size(); ++i) table.col(static_cast<Eigen::Index>(i)) = columns_[i];
    const std::vector<Interval> intervals = PairedIntervals(table);
    for (size_t i = 0; i < intervals.size(); ++i) differences_[i].interval = intervals[i];
    return std::move(differences_);
  }

 private:
  using Column = std::vector<double> SampleLosses::*;

  void AddAll(Difference::Versus versus, std::span<const SampleLosses> others) {
    Add(versus, "nll", &SampleLosses::nll, others);
    Add(versus, "accuracy", &SampleLosses::correct, others);
    Add(versus, "brier", &SampleLosses::brier, others);
  }

  void Add(Difference::Versus versus, std::string metric, Column column, std::span<const SampleLosses> others) {
    if ((answering_.*column).empty()) return;
    Eigen::VectorXd sum = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(split_.labels.size()));
    for (const SampleLosses& other : others) sum += AsVector(other.*column);
    columns_.push_back(AsVector(answering_.*column) - sum / static_cast<double>(others.size()));
    differences_.push_back({versus, std::move(metric), {}});
  }

  static Eigen::Map<const Eigen::VectorXd> AsVector(const std::vector<double>& values) {
    return {values.data(), static_cast<Eigen::Index>(values.size())};
  }

  const PreparedSplit& split_;
  SampleLosses answering_;
  std::vector<SampleLosses> members_;
  std::vector<Eigen::VectorXd> columns_;
  std::vector<Difference> differences_;
};

std::vector<Difference> Compare(const PreparedSplit& split, const Combiner& combiner, std::optional<size_t> best) {
  Comparisons comparisons(split, combiner);
  if (best) comparisons.AddBestMember(*best);
  comparisons.AddMembersMean();
  return std::move(comparisons).Compute();
}

size_t IndexOfBest(const std::vector<NamedMetrics>& members) {
  const auto by_nll = [](const NamedMetrics& a, const NamedMetrics& b) {
    return a.metrics.nll.value() < b.metrics.nll.value();
  };
  return static_cast<size_t>(std::min_element(members.begin(), members.end(), by_nll) - members.begin());
}

SplitReport Report(const ReportInput& input, const PreparedSplit& split) {
  SplitReport report;
  report.split = split.split;
  report.samples = static_cast<int64_t>(split.labels.size());
  report.members = EvaluateMembers(input, split);
  report.members_mean = MembersMean(report.members);
  report.members_deviation = MembersDeviation(report.members);
  report.combiners = EvaluateCombiners(split);
  return report;
}

// No member's name has a slash.
int CountMembers(const std::vector<MemberInput>& inputs) {
  std::set<std::string> members;
  for (const MemberInput& input : inputs) members.insert(input.name.substr(0, input.name.find('/')));
  return static_cast<int>(members.size());
}

}  // namespace

const SplitReport* EnsembleReport::Find(Split split) const {
  const auto found =
      std::find_if(splits.begin(), splits.end(), [&](const auto& report) { return report.split == split; });
  return found == splits.end() ? nullptr : &*found;
}

const Metrics* FindMetrics(const std::vector<NamedMetrics>& entries, std::string_view name) {
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.name == name; });
  return found == entries.end() ? nullptr : &found->metrics;
}

Result<EnsembleReport> Evaluate(const ReportInput& input) {
  TUTTI_ASSIGN_OR_RETURN(const Combiner* combiner, FindCombiner(input.combiner));
  if (input.members.empty()) return Fail(ErrorCode::kInvalid, "no member has predictions to combine");
  EnsembleReport report;
  report.members = CountMembers(input.members);
  report.members_total = input.members_total;
  report.classes = input.classes;
  report.combiner = input.combiner;

  std::optional<size_t> best;
  for (const auto& [split, labels] : input.labels) {  // in the order of Split: validation comes before test
    if (labels.ids.empty()) continue;
    TUTTI_ASSIGN_OR_RETURN(const PreparedSplit prepared, Prepare(input, split, labels));
    report.splits.push_back(Report(input, prepared));
    if (split == Split::kValidation) best = IndexOfBest(report.splits.back().members);
    report.splits.back().differences = Compare(prepared, *combiner, best);
  }
  if (best) report.best_member = input.members[*best].name;
  return report;
}

Result<Combination> CombineSplit(const ReportInput& input, Split split) {
  TUTTI_ASSIGN_OR_RETURN(const Combiner* combiner, FindCombiner(input.combiner));
  const auto labels = input.labels.find(split);
  if (labels == input.labels.end()) return Fail(ErrorCode::kNotFound, "there is no {} split", Name(split));
  TUTTI_ASSIGN_OR_RETURN(const PreparedSplit prepared, Prepare(input, split, labels->second));
  return combiner->combine(prepared.members);
}

}  // namespace tutti::ensemble
