#include "cli/follow.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "cli/borrowed_coordinator.h"
#include "tests/cli/testing.h"

namespace tutti::cli {
namespace {

using testing::HasSubstr;

class TrainHereTest : public testing::Test {
 protected:
  TrainHereTest() { setenv("TUTTI_TRAINER", "/bin/true", 1); }
  ~TrainHereTest() override { unsetenv("TUTTI_TRAINER"); }

  static ClusterOptions OneSlot() {
    worker::Inventory inventory;
    inventory.slots = 1;
    return {.inventory = inventory};
  }

  TemporaryFolder folder_;
};

TEST_F(TrainHereTest, ASignalBeforeAnythingWasSubmittedStopsAndSaysSo) {
  testing::internal::CaptureStderr();
  const int exit_code =
      TrainHere(folder_.path(), OneSlot(), Output::kText, {}, [](const Client& client) -> Result<std::string> {
        kill(getpid(), SIGTERM);
        const auto is_gone = [&]() -> Result<bool> {
          const auto answer = client.Ensembles();
          return !answer && answer.error().code == ErrorCode::kUnreachable;
        };
        TUTTI_RETURN_IF_ERROR(WaitUntil(is_gone, std::chrono::seconds(30), "the coordinator still answers"));
        return Fail(ErrorCode::kUnreachable, "nobody answers");
      });
  EXPECT_EQ(exit_code, 143);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("the same command begins it"));
}

TEST_F(TrainHereTest, ARefusedEnsembleIsAFailureWithItsReason) {
  testing::internal::CaptureStderr();
  const auto refuse = [](const Client&) -> Result<std::string> { return Fail(ErrorCode::kIo, "no such thing"); };
  EXPECT_EQ(TrainHere(folder_.path(), OneSlot(), Output::kText, {}, refuse), 1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "tutti: no such thing\n");
}

TEST_F(TrainHereTest, EndsWithTheExitCodeOfTheErrorEvenBeforeItBegan) {
  const auto refuse = [](const Client&) -> Result<std::string> { return Fail(ErrorCode::kDenied, "not yours"); };
  EXPECT_EQ(TrainHere(folder_.path(), OneSlot(), Output::kText, {}, refuse), 4);
}

TEST_F(TrainHereTest, AnEnsembleThatCannotBeFollowedIsNotWatchedForEver) {
  testing::internal::CaptureStderr();
  const auto ask = [](const Client&) -> Result<std::string> { return std::string("small-1"); };  // nobody submitted it
  EXPECT_EQ(TrainHere(folder_.path(), OneSlot(), Output::kText, {}, ask), 6);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("there is no ensemble small-1"), HasSubstr("coordinator.log says more")));
}

TEST_F(TrainHereTest, AFullDiskIsSaidWithWhatMakesRoomWithoutAny) {
  testing::internal::CaptureStderr();
  TrainHere(folder_.path(), OneSlot(), Output::kText, {},
            [](const Client&) -> Result<std::string> { return Fail(ErrorCode::kNoSpace, "no space left on device"); });
  const std::string said = testing::internal::GetCapturedStderr();
  const std::string cache = (folder_.path() / "cache").string();
  EXPECT_THAT(said, HasSubstr("Delete " + cache));
  EXPECT_LT(said.find(cache), said.find("tutti rm"));
}

}  // namespace
}  // namespace tutti::cli
