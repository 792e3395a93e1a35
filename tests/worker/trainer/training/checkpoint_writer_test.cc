#include "worker/trainer/training/checkpoint_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <new>

#include "common/protocol/trainer_events.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"
#include "worker/trainer/training/failure.h"

namespace tutti::trainer {
namespace {

using tutti::testing::FaultyFileSystem;

const AttemptId kAttempt{{EnsembleId("digits-1"), "m"}, 1};

class CheckpointWriterTest : public ::testing::Test {
 protected:
  std::unique_ptr<CheckpointWriter> Make(std::chrono::milliseconds patience) {
    return std::make_unique<CheckpointWriter>(disk_, folder_.path(), kAttempt, *events_, patience);
  }
  static Snapshot SnapshotOf(int64_t step) {
    Snapshot snapshot;
    snapshot.position.step = step;
    return snapshot;
  }
  // What happens in the writer's thread once it writes.
  void WhenItWrites(std::function<void()> hook) { disk_.Before(disk_.operations() + 1, std::move(hook)); }

  tutti::testing::TemporaryFolder folder_;
  FaultyFileSystem disk_{PosixFileSystem()};
  std::unique_ptr<EventLog> events_ = EventLog::Silent();
};
using CheckpointWriterDeathTest = CheckpointWriterTest;

// Nothing can end a thread that the kernel holds.
TEST_F(CheckpointWriterDeathTest, EndsTheProcessWhenTheDiskDoesNotAnswer) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto stuck = [this] {
    std::promise<void> never;
    WhenItWrites([&] { never.get_future().wait(); });
    const auto writer = Make(std::chrono::milliseconds(20));
    static_cast<void>(writer->Write([] { return SnapshotOf(1); }));
    static_cast<void>(writer->Flush());
  };
  EXPECT_EXIT(stuck(), ::testing::ExitedWithCode(protocol::kExitIo), "the disk does not answer");
}

TEST_F(CheckpointWriterDeathTest, IsNotDestroyedAroundAThreadThatIsStuck) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto stuck = [this] {
    std::promise<void> writes, never;
    WhenItWrites([&] {
      writes.set_value();
      never.get_future().wait();
    });
    const auto writer = Make(std::chrono::milliseconds(20));
    static_cast<void>(writer->Write([] { return SnapshotOf(1); }));
    writes.get_future().wait();
  };
  EXPECT_EXIT(stuck(), ::testing::ExitedWithCode(protocol::kExitIo), "the disk does not answer");
}

// A snapshot is as large as the member: a third would need memory that nobody counted on.
TEST_F(CheckpointWriterTest, TakesASnapshotOnlyOnceThereIsRoomForIt) {
  constexpr auto kTimeToBeWrong = std::chrono::milliseconds(50);
  std::promise<void> third;
  auto taken_while_full = std::future_status::ready;
  WhenItWrites([&] { taken_while_full = third.get_future().wait_for(kTimeToBeWrong); });
  const auto writer = Make(std::chrono::minutes(1));
  ASSERT_TRUE(writer->Write([] { return SnapshotOf(1); }));
  ASSERT_TRUE(writer->Write([] { return SnapshotOf(2); }));
  ASSERT_TRUE(writer->Write([&] {
    third.set_value();
    return SnapshotOf(3);
  }));
  ASSERT_TRUE(writer->Flush());
  EXPECT_EQ(taken_while_full, std::future_status::timeout);
}

TEST_F(CheckpointWriterTest, TellsThatMemoryHasRunOutWhereItWrites) {
  WhenItWrites([] { throw std::bad_alloc(); });
  const auto writer = Make(std::chrono::minutes(1));
  const auto ran = Guarded([&]() -> Result<void> {
    TUTTI_RETURN_IF_ERROR(writer->Write([] { return SnapshotOf(1); }));
    return writer->Flush();
  });
  ASSERT_FALSE(ran);
  EXPECT_EQ(ran.error().exit_code, protocol::kExitOutOfMemory);
}

}  // namespace
}  // namespace tutti::trainer
