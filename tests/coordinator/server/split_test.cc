// Which samples train, validate and test.
#include "coordinator/server/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace tutti::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

spec::DataSpec DataOf(spec::PartSize validation) {
  spec::DataSpec data;
  data.validation = validation;
  return data;
}

std::string ErrorOf(int64_t training, const spec::DataSpec& data) {
  const auto split = DrawSplit(training, 10, data);
  return split ? "" : split.error().Text();
}

// These numbers are a promise: a run of yesterday is repeated with the split of yesterday, on every machine.
TEST(Permutation, IsTheSameForEver) {
  EXPECT_THAT(Permutation(10, 0), ElementsAre(6, 3, 2, 9, 8, 1, 4, 7, 0, 5));
  EXPECT_THAT(Permutation(10, 1), ElementsAre(4, 2, 8, 1, 9, 3, 0, 6, 7, 5));
  EXPECT_THAT(Permutation(10, -1), ElementsAre(3, 4, 2, 7, 5, 0, 8, 1, 9, 6));
}

TEST(Permutation, OfNothingAndOfOne) {
  EXPECT_THAT(Permutation(0, 7), IsEmpty());
  EXPECT_THAT(Permutation(1, 7), ElementsAre(0));
}

// Each number is in each place about equally often: over 6,000 draws 1,000 times, deviation about 29.
TEST(Permutation, FavoursNoPlace) {
  constexpr int kCount = 6;
  constexpr int kDraws = 6000;
  int seen[kCount][kCount] = {};
  for (int seed = 0; seed < kDraws; ++seed) {
    const auto order = Permutation(kCount, seed);
    for (size_t place = 0; place < order.size(); ++place) ++seen[place][order[place]];
  }
  for (const auto& place : seen) {
    for (const int count : place) EXPECT_NEAR(count, kDraws / kCount, 150);
  }
}

TEST(Split, PartsAreDisjointSortedAndCoverTheTrainingPart) {
  spec::DataSpec data = DataOf(int64_t{20});
  data.calibration = 0.1;
  const SplitIds split = DrawSplit(100, 30, data).value();
  EXPECT_THAT(split.validation, SizeIs(20));
  EXPECT_THAT(split.calibration, SizeIs(10));
  EXPECT_THAT(split.training, SizeIs(70));
  std::set<int64_t> all;
  for (const auto* part : {&split.training, &split.validation, &split.calibration}) {
    EXPECT_TRUE(std::is_sorted(part->begin(), part->end()));
    all.insert(part->begin(), part->end());
  }
  EXPECT_EQ(all.size(), 100u);
  EXPECT_EQ(*all.begin(), 0);
  EXPECT_EQ(*all.rbegin(), 99);
}

TEST(Split, TestIsTheSourcesOwn) {
  const SplitIds split = DrawSplit(5, 3, DataOf(int64_t{1})).value();
  EXPECT_THAT(split.test, ElementsAre(5, 6, 7));
}

TEST(Split, TestMayBeNoneOrDrawnFromTheTrainingPart) {
  spec::DataSpec data = DataOf(int64_t{1});
  data.test = spec::DataSpec::NoTest{};
  EXPECT_THAT(DrawSplit(5, 3, data).value().test, IsEmpty());
  data.test = int64_t{2};
  const SplitIds split = DrawSplit(5, 3, data).value();
  EXPECT_THAT(split.test, SizeIs(2));
  EXPECT_LT(split.test.back(), 5);
  EXPECT_THAT(split.training, SizeIs(2));
}

TEST(Split, SeedDecidesIt) {
  spec::DataSpec data = DataOf(int64_t{50});
  const SplitIds first = DrawSplit(1000, 0, data).value();
  EXPECT_EQ(DrawSplit(1000, 0, data).value(), first);
  data.split_seed = 1;
  EXPECT_NE(DrawSplit(1000, 0, data).value().validation, first.validation);
}

TEST(Split, AskingForCalibrationLeavesValidationAsItWas) {
  spec::DataSpec data = DataOf(int64_t{50});
  const auto validation = DrawSplit(1000, 0, data).value().validation;
  data.calibration = int64_t{100};
  EXPECT_EQ(DrawSplit(1000, 0, data).value().validation, validation);
}

TEST(Split, FractionIsOfTheTrainingPart) {
  EXPECT_THAT(DrawSplit(60000, 10000, DataOf(0.1)).value().validation, SizeIs(6000));
  EXPECT_THAT(DrawSplit(7, 0, DataOf(0.5)).value().validation, SizeIs(4));
}

TEST(Split, NoValidationIsAllowed) {
  const SplitIds split = DrawSplit(5, 0, DataOf(int64_t{0})).value();
  EXPECT_THAT(split.validation, IsEmpty());
  EXPECT_THAT(split.training, ElementsAre(0, 1, 2, 3, 4));
}

TEST(Split, RefusesToLeaveNothingToTrainOn) {
  EXPECT_THAT(ErrorOf(10, DataOf(int64_t{10})), HasSubstr("leave none of the 10 to train on"));
  EXPECT_THAT(ErrorOf(10, DataOf(int64_t{11})), HasSubstr("leave none"));
  EXPECT_THAT(ErrorOf(10, DataOf(std::numeric_limits<int64_t>::max())), HasSubstr("leave none"));
  EXPECT_THAT(ErrorOf(10, DataOf(0.96)), HasSubstr("leave none"));
  EXPECT_THAT(ErrorOf(0, DataOf(int64_t{0})), HasSubstr("leave none"));
  spec::DataSpec data = DataOf(int64_t{4});
  data.calibration = int64_t{4};
  data.test = int64_t{2};
  EXPECT_THAT(ErrorOf(10, data), HasSubstr("4 samples for validation, 4 for calibration and 2 for test"));
  data.calibration = std::numeric_limits<int64_t>::max();
  EXPECT_THAT(ErrorOf(10, data), HasSubstr("leave none"));
}

TEST(Split, RefusesAFractionThatIsNoSample) {
  EXPECT_THAT(ErrorOf(10, DataOf(0.01)), HasSubstr("data.validation: 0.01 of 10 samples is none"));
}

TEST(Split, RefusesANegativeCount) { EXPECT_THAT(ErrorOf(10, DataOf(int64_t{-1})), HasSubstr("data.validation")); }

}  // namespace
}  // namespace tutti::server
