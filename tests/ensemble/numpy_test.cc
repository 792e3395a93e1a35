// The report against what NumPy computed from the same logits (make_numpy_fixture.py).
#include <gmock/gmock.h>

#include "common/file_system.h"
#include "common/json.h"
#include "ensemble/report.h"
#include "tests/ensemble/testing.h"

namespace tutti::ensemble {
namespace {

constexpr double kTolerance = 1e-12;

class AgainstNumPy : public testing::Test {
 protected:
  AgainstNumPy() {
    const auto text = PosixFileSystem().Read(TUTTI_TEST_DATA "/numpy_fixture.json");
    fixture_ = ParseJson(text.value()).value();
    input_.classes = fixture_["classes"].get<int>();
    input_.combiner = "mean";
    input_.members_total = 3;
    input_.labels[Split::kValidation] = LabelsOf(fixture_["labels"].get<std::vector<int64_t>>());
    for (const Json& member : fixture_["logits"]) AddMember(member);
    report_ = Evaluate(input_).value();
  }

  // Written back to front: ids decide, not the order.
  void AddMember(const Json& rows) {
    const auto samples = static_cast<Eigen::Index>(rows.size());
    Predictions predictions{{}, Logits(samples, input_.classes)};
    for (Eigen::Index row = 0; row < samples; ++row) {
      const auto id = static_cast<size_t>(samples - 1 - row);
      predictions.ids.push_back(static_cast<int64_t>(id));
      for (int column = 0; column < input_.classes; ++column) {
        predictions.logits(row, column) = std::stof(rows[id][static_cast<size_t>(column)].get<std::string>());
      }
    }
    input_.members.push_back({fmt::format("m{}", input_.members.size()), {{Split::kValidation, predictions}}});
  }

  static void ExpectMetrics(const Metrics& metrics, const Json& expected) {
    EXPECT_NEAR(metrics.accuracy, expected["accuracy"].get<double>(), kTolerance);
    EXPECT_NEAR(metrics.nll.value(), expected["nll"].get<double>(), kTolerance);
    EXPECT_NEAR(metrics.brier.value(), expected["brier"].get<double>(), kTolerance);
    EXPECT_NEAR(metrics.ece.value(), expected["ece"].get<double>(), kTolerance);
  }

  const SplitReport& split() const { return report_.splits.front(); }
  const Json& expected() const { return fixture_["expected"]; }

  Json fixture_;
  ReportInput input_;
  EnsembleReport report_;
};

TEST_F(AgainstNumPy, EachMembersMetricsAgree) {
  ASSERT_EQ(split().members.size(), 3);
  for (size_t i = 0; i < 3; ++i) ExpectMetrics(split().members[i].metrics, expected()["members"][i]);
}

TEST_F(AgainstNumPy, MeanAndDeviationOfTheMembersAgree) {
  ExpectMetrics(split().members_mean, expected()["members_mean"]);
  ExpectMetrics(split().members_deviation.value(), expected()["members_deviation"]);
}

TEST_F(AgainstNumPy, TheBestMemberAgrees) {
  EXPECT_EQ(report_.best_member, fmt::format("m{}", expected()["best"].get<int>()));
}

TEST_F(AgainstNumPy, TheMeanAgrees) { ExpectMetrics(*FindMetrics(split().combiners, "mean"), expected()["mean"]); }

TEST_F(AgainstNumPy, TheVoteAgreesSampleBySample) {
  input_.combiner = "vote";
  const Combination vote = CombineSplit(input_, Split::kValidation).value();
  std::vector<int> answers;
  for (const auto& answer : vote.answers) answers.push_back(answer.value_or(-1));
  EXPECT_EQ(answers, expected()["vote_answers"].get<std::vector<int>>());
  EXPECT_NEAR(FindMetrics(split().combiners, "vote")->accuracy, expected()["vote_accuracy"].get<double>(), kTolerance);
}

TEST_F(AgainstNumPy, ThePairedIntervalsAgree) {
  ASSERT_EQ(split().differences.size(), 6);
  for (const Difference& difference : split().differences) {
    const bool best = difference.versus == Difference::Versus::kBestMember;
    const Json& interval = expected()[best ? "versus_best_member" : "versus_members_mean"][difference.metric];
    SCOPED_TRACE(difference.metric);
    EXPECT_NEAR(difference.interval.difference, interval["difference"].get<double>(), kTolerance);
    EXPECT_NEAR(difference.interval.low, interval["low"].get<double>(), kTolerance);
    EXPECT_NEAR(difference.interval.high, interval["high"].get<double>(), kTolerance);
  }
}

}  // namespace
}  // namespace tutti::ensemble
