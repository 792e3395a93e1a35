// What an ensemble is worth: its members, the best of them, every combiner, and how sure the differences are.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/records.h"
#include "common/result.h"
#include "ensemble/bootstrap.h"
#include "ensemble/combiners.h"
#include "ensemble/metrics.h"
#include "ensemble/predictions.h"

namespace tutti::ensemble {

struct MemberInput {
  std::string name;  // the member's, or MEMBER/PREDICTOR where it gives several predictors
  std::map<Split, Predictions> predictions;
};

struct ReportInput {
  std::vector<MemberInput> members;  // those that finished, in the experiment's order
  std::map<Split, Labels> labels;    // of each split that is to be reported; splits without samples are left out
  int classes = 0;
  std::string combiner;   // the one that answers
  int members_total = 0;  // that the experiment asks for
};

struct NamedMetrics {
  std::string name;  // a member's or a combiner's
  Metrics metrics;
  bool operator==(const NamedMetrics&) const = default;
};

// A difference of the answering combiner: it less the other. For NLL and Brier below zero is better, for accuracy
// above.
struct Difference {
  enum class Versus { kBestMember, kMembersMean };
  Versus versus = Versus::kBestMember;
  std::string metric;  // "nll", "accuracy", "brier"
  Interval interval;   // 95 %, percentile, 1,000 resamples
  bool operator==(const Difference&) const = default;
};

struct SplitReport {
  Split split = Split::kValidation;
  int64_t samples = 0;
  std::vector<NamedMetrics> members;
  Metrics members_mean;                      // `unanswered` is the sum
  std::optional<Metrics> members_deviation;  // standard deviation (n - 1); none for a single member
  std::vector<NamedMetrics> combiners;
  std::vector<Difference> differences;
  bool operator==(const SplitReport&) const = default;
};

struct EnsembleReport {
  static constexpr int kVersion = 1;
  int members = 0;        // combined; of one that gives several predictors all count as one
  int members_total = 0;  // asked for
  int classes = 0;
  std::string combiner;
  // Lowest NLL on validation, the first such at a tie; none without validation samples.
  std::optional<std::string> best_member;
  std::vector<SplitReport> splits;  // validation before test
  bool operator==(const EnsembleReport&) const = default;

  // nullptr when the split is not there.
  const SplitReport* Find(Split split) const;
};
// nullptr when no entry has the name.
const Metrics* FindMetrics(const std::vector<NamedMetrics>& entries, std::string_view name);

// Errors: kInvalid, naming member, split and sample: no members, an unknown combiner, a member without predictions on a
// split or for other samples or classes than the split's, a label outside the classes.
Result<EnsembleReport> Evaluate(const ReportInput& input);

// The answering combiner's shares and answers on one split, in the order of its labels' ids. Errors: as Evaluate;
// kNotFound when the split has no labels.
Result<Combination> CombineSplit(const ReportInput& input, Split split);

// results.json and back: ReportFromJson(ToJson(x)) == x. Keys that are not known are ignored. Splits, members and
// combiners are found by name: results["splits"]["test"]["members"]["lenet5-s0"]["nll"].
Json ToJson(const EnsembleReport& report);
Result<EnsembleReport> ReportFromJson(const Json& json);  // kInvalid, naming the key

// results.csv: one figure a line, "split,kind,name,metric,value,low,high".
std::string ToCsv(const EnsembleReport& report);

}  // namespace tutti::ensemble
