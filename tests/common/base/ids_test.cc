#include "common/ids.h"

#include <gtest/gtest.h>

#include <limits>

namespace tutti {
namespace {

TEST(IsValidName, TakesWhatCanBeAFolder) {
  for (const std::string_view name : {"a", "lenet5-s0", "Fashion_MNIST.v2", "0"})
    EXPECT_TRUE(IsValidName(name)) << name;
  EXPECT_TRUE(IsValidName(std::string(80, 'a')));
}

TEST(IsValidName, RefusesWhatLeadsElsewhereOrCannotBeTyped) {
  for (const std::string_view name :
       {"", ".", "..", ".hidden", "-option", "_", "a/b", "a b", "a\n", "caf\u00e9", "a:b"}) {
    EXPECT_FALSE(IsValidName(name)) << name;
  }
  EXPECT_FALSE(IsValidName(std::string(81, 'a')));
  EXPECT_FALSE(IsValidName(std::string_view("a\0b", 3)));
}

TEST(IsValidId, LeavesRoomForTheNumberOfTheLongestName) {
  const std::string longest(kLongestName, 'a');
  ASSERT_TRUE(IsValidName(longest));
  const std::string id = fmt::format("{}-{}", longest, std::numeric_limits<int>::max());
  EXPECT_TRUE(IsValidId(id));
  const AttemptId attempt{{EnsembleId(id), longest}, std::numeric_limits<int>::max()};
  EXPECT_EQ(ParseAttemptId(attempt.str()).value(), attempt);
  EXPECT_FALSE(IsValidId(std::string(101, 'a')));
}

TEST(JobId, ParsesWhatItPrints) {
  for (const std::string name : {"lenet5-s0", ".inspect"}) {
    const JobId id{EnsembleId("fashion-mnist-3"), name};
    EXPECT_EQ(ParseJobId(id.str()).value(), id);
  }
}

TEST(JobId, RefusesWhatIsNoJob) {
  for (const std::string_view text : {"", "a", "/b", "a/", "a/b/c", "a/..", "../b", "a/.", "a/..b", "a/b "}) {
    const auto parsed = ParseJobId(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalid);
  }
}

TEST(AttemptId, ParsesWhatItPrints) {
  const AttemptId id{{EnsembleId("fashion-mnist-3"), "lenet5-s0"}, 12};
  EXPECT_EQ(id.str(), "fashion-mnist-3/lenet5-s0/attempt-12");
  EXPECT_EQ(ParseAttemptId(id.str()).value(), id);
}

TEST(AttemptId, RefusesWhatIsNoAttempt) {
  for (const std::string_view text : {"", "a/b", "a/b/attempt-", "a/b/attempt-0", "a/b/attempt--1", "a/b/attempt-1x",
                                      "a/b/attempt-99999999999", "a/attempt-1", "a/b/c/attempt-1"}) {
    const auto parsed = ParseAttemptId(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalid);
  }
}

TEST(Ids, AreOrderedByTheirParts) {
  const JobId job{EnsembleId("a-1"), "m"};
  EXPECT_LT((AttemptId{job, 2}), (AttemptId{job, 10})) << "by number, not as text";
  EXPECT_LT(job, (JobId{EnsembleId("a-1"), "n"}));
  EXPECT_LT((JobId{EnsembleId("a-1"), "z"}), (JobId{EnsembleId("b-1"), "a"}));
  EXPECT_EQ((SlotId{WorkerId("n1/2"), 3}.str()), "n1/2:3");
}

}  // namespace
}  // namespace tutti
