// What a worker makes of attempts that another leads. With mpirun and two agents: spread_gang_test.cc

#include "worker/agent/followed_attempts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/agent/agent_fixture.h"

namespace tutti::worker {
namespace {

using protocol::GrantSlots;
using protocol::StopAttempt;
using protocol::StopReason;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kStartDeadline = std::chrono::minutes(1);
constexpr auto kCheckpointDeadline = std::chrono::minutes(2);

// No rank connects: the test says that they come and go.
class FollowedAttemptsTest : public AgentTest {
 protected:
  FollowedAttemptsTest() {
    settings_.worker = options_.id;
    settings_.home = options_.home;
    settings_.trainer = options_.trainer;
    settings_.inventory = options_.inventory;
    settings_.start_deadline = kStartDeadline;
    settings_.checkpoint_deadline = kCheckpointDeadline;
    settings_.kill_deadline = std::chrono::seconds(5);
    RankServer::Handlers handlers{[](const RankHello&) { return Result<RankOrders>(); }, [](const AttemptId&) {}};
    ranks_ = RankServer::Listen(context_, folder_ / "ranks.sock", std::move(handlers)).value();
    followed_.emplace(*ranks_, settings_);
  }

  AttemptId Attempt(int number = 1) const { return TaskIn(options_.home, "m", number).attempt; }
  Result<RankOrders> Come(int rank, int attempt = 1) { return followed_->Admit({Attempt(attempt), rank}); }
  // Ranks 2 and 3, on slots 1 and 0.
  void GrantTwo(int attempt = 1) { followed_->Grant(GrantSlots{Attempt(attempt), {1, 0}, {2, 3}}, now_); }

  // What is told, in words.
  std::vector<std::string> Told() {
    std::vector<std::string> told;
    followed_->Report([&](const protocol::FromWorker& message) {
      if (const auto* failed = std::get_if<protocol::AttemptFailedToStart>(&message)) {
        told.push_back(fmt::format("{} failed: {}", failed->attempt.number, failed->error));
      } else if (const auto* free = std::get_if<protocol::SlotsFree>(&message)) {
        told.push_back(fmt::format("{} freed {} slots", free->attempt.number, free->slots.size()));
      } else {
        told.push_back("something else");
      }
    });
    return told;
  }
  size_t SlotsHeld() const {
    size_t held = 0;
    for (const auto& one : followed_->Running()) held += one.slots.size();
    return held;
  }

  boost::asio::io_context context_;
  LaunchSettings settings_;
  std::unique_ptr<RankServer> ranks_;
  std::optional<FollowedAttempts> followed_;
  FollowedAttempts::SteadyTime now_{};
};

TEST_F(FollowedAttemptsTest, AdmitTheRanksThatTheyWereGrantedSlotsFor) {
  GrantTwo();
  const auto orders = Come(3);
  ASSERT_TRUE(orders) << orders.error().Text();
  EXPECT_THAT(orders->arguments, ElementsAre(settings_.trainer.string(), "train",
                                             (TaskIn(options_.home, "m", 1).folder / "task.json").string()));
  EXPECT_EQ(orders->cpus, settings_.inventory.CpusOf(0));
  EXPECT_EQ(orders->environment.at("OMP_NUM_THREADS"), "1");
  EXPECT_EQ(Come(2).value().cpus, settings_.inventory.CpusOf(1));
  EXPECT_EQ(Come(0).error().code, ErrorCode::kInvalid) << "its leader has that one";
  EXPECT_EQ(Come(2, 2).error().code, ErrorCode::kCancelled) << "another attempt";
}

TEST_F(FollowedAttemptsTest, HoldTheirSlotsUntilTheirRanksAreGone) {
  GrantTwo();
  ASSERT_TRUE(Come(2) && Come(3));
  EXPECT_EQ(followed_->HolderOf(1), Attempt());
  EXPECT_EQ(SlotsHeld(), 2u);
  EXPECT_THAT(Told(), IsEmpty());
  followed_->HandleRanksGone(Attempt());
  EXPECT_EQ(followed_->HolderOf(1), std::nullopt);
  EXPECT_THAT(Told(), ElementsAre("1 freed 2 slots"));
  EXPECT_THAT(Told(), IsEmpty()) << "once is enough";
}

// Else a coordinator would take the whole gang for lost before its leader tells how it ended.
TEST_F(FollowedAttemptsTest, ThatHaveEndedAreAnnouncedWithoutSlots) {
  GrantTwo();
  followed_->HandleRanksGone(Attempt());
  Told();
  ASSERT_EQ(followed_->Running().size(), 1u);
  EXPECT_FALSE(followed_->Running()[0].leader);
  EXPECT_THAT(followed_->Running()[0].slots, IsEmpty());
}

TEST_F(FollowedAttemptsTest, LetNoRankComeOnceTheOthersAreGone) {
  GrantTwo();
  ASSERT_TRUE(Come(2));
  followed_->HandleRanksGone(Attempt());
  EXPECT_EQ(Come(3).error().code, ErrorCode::kCancelled);
}

TEST_F(FollowedAttemptsTest, AreGivenUpWhenTheirRanksDoNotCome) {
  GrantTwo();
  ASSERT_TRUE(Come(2));
  followed_->Tick(now_ + kStartDeadline - std::chrono::seconds(1));
  EXPECT_THAT(Told(), IsEmpty());
  followed_->Tick(now_ + kStartDeadline);
  EXPECT_THAT(Told(), ElementsAre(HasSubstr("1 of its 2 ranks there came up within 60 s"), "1 freed 2 slots"));
  EXPECT_FALSE(Come(3)) << "too late";
}

TEST_F(FollowedAttemptsTest, HaveNoDeadlineOnceTheirRanksHaveCome) {
  GrantTwo();
  ASSERT_TRUE(Come(2) && Come(3));
  followed_->Tick(now_ + 1000 * kStartDeadline);
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(FollowedAttemptsTest, AreEndedAndForgottenWhenTheyAreStale) {
  GrantTwo();
  ASSERT_TRUE(Come(2));
  followed_->Stop(StopAttempt{Attempt(), StopReason::kStale}, now_);
  EXPECT_FALSE(Come(3));
  EXPECT_THAT(Told(), ElementsAre("1 freed 2 slots"));
  EXPECT_FALSE(followed_->Knows(Attempt()));
}

TEST_F(FollowedAttemptsTest, AreForgottenWhenTheyWereToldBeforeTheyAreStale) {
  GrantTwo();
  followed_->HandleRanksGone(Attempt());
  Told();
  followed_->Stop(StopAttempt{Attempt(), StopReason::kStale}, now_);
  EXPECT_FALSE(followed_->Knows(Attempt()));
}

// Their leader asks, through the launcher: what ended them here would cost the checkpoint.
TEST_F(FollowedAttemptsTest, GoOnWhenACheckpointIsAskedFor) {
  GrantTwo();
  for (const StopReason reason : {StopReason::kRequested, StopReason::kPreempted, StopReason::kPruned}) {
    followed_->Stop(StopAttempt{Attempt(), reason}, now_);
  }
  EXPECT_TRUE(Come(2));
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(FollowedAttemptsTest, EndWithTheirWorkerAfterTheCheckpointDeadline) {
  GrantTwo();
  ASSERT_TRUE(Come(2) && Come(3));
  followed_->RequestStop(now_);
  followed_->Tick(now_ + kCheckpointDeadline - std::chrono::seconds(1));
  EXPECT_FALSE(followed_->all_gone());
  followed_->Tick(now_ + kCheckpointDeadline);
  EXPECT_TRUE(followed_->all_gone());
}

TEST_F(FollowedAttemptsTest, ThatCannotHaveTheirSlotsSaySo) {
  followed_->Refuse(GrantSlots{Attempt(), {0}, {1}}, "the worker n1 is leaving");
  EXPECT_FALSE(Come(1));
  EXPECT_THAT(Told(), ElementsAre("1 failed: the worker n1 is leaving", "1 freed 1 slots"));
}

TEST_F(FollowedAttemptsTest, AreRememberedWithinBounds) {
  for (int number = 1; number <= 1000; ++number) {
    GrantTwo(number);
    followed_->HandleRanksGone(Attempt(number));
    Told();
  }
  EXPECT_LE(followed_->Running().size(), 64u);
  EXPECT_TRUE(followed_->Knows(Attempt(1000)));
}

}  // namespace
}  // namespace tutti::worker
