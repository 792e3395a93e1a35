#include "worker/launch/rank_protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tutti::worker {
namespace {

using ::testing::HasSubstr;

const AttemptId kAttempt{{EnsembleId("digits-1"), "lenet5-s0"}, 3};

TEST(RankProtocol, EveryMessageSurvivesTheWire) {
  const RankHello hello{kAttempt, 5};
  EXPECT_EQ(DecodeRankHello(Encode(hello)).value(), hello);
  const RankOrders orders{{"/bin/trainer", "train", "/a path/task.json"}, {{"OMP_NUM_THREADS", "2"}}, {4, 5}};
  EXPECT_EQ(DecodeRankOrders(Encode(orders)).value(), orders);
  EXPECT_EQ(DecodeRankStarted(Encode(RankStarted{4711})).value(), RankStarted{4711});
}

// A signal to group 0 or -1 hits the worker itself, or everything.
TEST(RankProtocol, AGroupThatIsNoneIsRefused) {
  for (const int group : {-5, -1, 0, 1}) EXPECT_FALSE(DecodeRankStarted(Encode(RankStarted{group}))) << group;
}

TEST(RankProtocol, ARefusalIsAnErrorWithItsReason) {
  const auto orders = DecodeRankOrders(EncodeRefusal("it has been ended"));
  ASSERT_FALSE(orders);
  EXPECT_EQ(orders.error().code, ErrorCode::kDenied);
  EXPECT_EQ(orders.error().message, "it has been ended");
}

TEST(RankProtocol, AnotherVersionIsRefused) {
  const auto hello = DecodeRankHello(R"({"version": 2, "attempt": "a/b/attempt-1", "rank": 0})");
  ASSERT_FALSE(hello);
  EXPECT_THAT(hello.error().message, HasSubstr("different versions"));
}

TEST(RankProtocol, NonsenseIsAnErrorNotACrash) {
  for (const char* text :
       {"", "{", "[]", "null", R"({"version": 1})", R"({"version": 1, "attempt": 5, "rank": 0})",
        R"({"version": 1, "attempt": "nothing", "rank": 0})",
        R"({"version": 1, "attempt": "a/b/attempt-1", "rank": "zero"})",
        R"({"version": 1, "arguments": [], "environment": {}, "cpus": []})",
        R"({"version": 1, "arguments": "sh", "environment": {}, "cpus": []})", R"({"version": 1, "refused": 3})"}) {
    EXPECT_FALSE(DecodeRankHello(text)) << text;
    EXPECT_FALSE(DecodeRankOrders(text)) << text;
    EXPECT_FALSE(DecodeRankStarted(text)) << text;
  }
}

}  // namespace
}  // namespace tutti::worker
