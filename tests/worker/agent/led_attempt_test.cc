// How long a gang may take to come up. What else becomes of attempts: agent_test.cc and gang_test.cc, with an agent.

#include "worker/agent/led_attempt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/agent/agent_fixture.h"

namespace tutti::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kStartDeadline = std::chrono::minutes(1);

// An attempt of two ranks, whose launcher starts none: the test says that they come.
class GangStartTest : public AgentTest {
 protected:
  void SetUp() override {
    settings_.worker = options_.id;
    settings_.home = options_.home;
    settings_.trainer = options_.trainer;
    settings_.mpirun = Program("launcher", "exec sleep 600");
    settings_.runtime_folder = folder_ / "run";
    settings_.inventory = options_.inventory;
    settings_.start_deadline = kStartDeadline;
    settings_.kill_deadline = std::chrono::seconds(5);
    settings_.log_limit_bytes = 1 << 20;
    RankServer::Handlers handlers{[](const RankHello&) { return Result<RankOrders>(); }, [](const AttemptId&) {}};
    ranks_ = RankServer::Listen(context_, folder_ / "ranks.sock", std::move(handlers)).value();
    attempt_ = std::make_unique<LedAttempt>(
        AttemptSurroundings{context_, spawner_, *ranks_, PosixFileSystem(), settings_, [] {}},
        TaskIn(options_.home, "m", 1), std::vector<SlotId>{{options_.id, 0}, {options_.id, 1}});
    attempt_->Launch();
    launched_ = std::chrono::steady_clock::now();
  }

  // What it tells until nothing of it runs.
  std::vector<std::string> ErrorsUntilGone() {
    const auto patience = std::chrono::steady_clock::now() + FakeCoordinator::kPatience;
    while (!attempt_->gone() && std::chrono::steady_clock::now() < patience) context_.run_one_for(kStartDeadline);
    std::vector<std::string> errors;
    attempt_->Report([&](const protocol::FromWorker& message) {
      if (const auto* failed = std::get_if<protocol::AttemptFailedToStart>(&message)) errors.push_back(failed->error);
    });
    return errors;
  }

  boost::asio::io_context context_;
  Spawner spawner_;
  LaunchSettings settings_;
  std::unique_ptr<RankServer> ranks_;
  std::unique_ptr<LedAttempt> attempt_;
  LedAttempt::SteadyTime launched_;
};

TEST_F(GangStartTest, LastsUntilItsDeadlineAndNoLonger) {
  attempt_->Tick(launched_ + kStartDeadline - std::chrono::seconds(30));
  ASSERT_TRUE(attempt_->Admit(0)) << "it is not ended yet";
  attempt_->Tick(launched_ + kStartDeadline);
  EXPECT_FALSE(attempt_->Admit(1)) << "too late";
  EXPECT_THAT(ErrorsUntilGone(), ElementsAre(HasSubstr("1 of its 2 ranks came up within 60 s")));
}

TEST_F(GangStartTest, HasNoDeadlineOnceAllRanksHaveCome) {
  ASSERT_TRUE(attempt_->Admit(1));
  ASSERT_TRUE(attempt_->Admit(0));
  attempt_->Tick(launched_ + 1000 * kStartDeadline);
  EXPECT_TRUE(attempt_->Admit(0)) << "it is not ended";
  attempt_->Kill(launched_);
  EXPECT_THAT(ErrorsUntilGone(), IsEmpty());
}

TEST_F(GangStartTest, OfOneThatIsKilledMeanwhileIsNoFailure) {
  attempt_->Kill(launched_);
  attempt_->Tick(launched_ + kStartDeadline);
  EXPECT_THAT(ErrorsUntilGone(), IsEmpty());
}

}  // namespace
}  // namespace tutti::worker
