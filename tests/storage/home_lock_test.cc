#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "storage/catalog/catalog.h"
#include "tests/support/child_process.h"
#include "tests/support/temporary_folder.h"

namespace tutti::storage {
namespace {

using ::testing::HasSubstr;

TEST(HomeLock, MakesTheHome) {
  const testing::TemporaryFolder folder;
  EXPECT_TRUE(HomeLock::Acquire(folder / "a/b"));
  EXPECT_TRUE(std::filesystem::is_directory(folder / "a/b"));
}

TEST(HomeLock, RefusesASecondAndNamesTheProcessAndWhatToDo) {
  const testing::TemporaryFolder home;
  const testing::ChildProcess holder([&](int pipe) {
    const auto lock = HomeLock::Acquire(home.path());
    if (!lock || ::write(pipe, "x", 1) != 1) return 1;
    ::pause();
    return 0;
  });
  ASSERT_EQ(holder.ReadByte(), 'x');
  const auto second = HomeLock::Acquire(home.path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_THAT(second.error().Text(), HasSubstr(fmt::format("process {} on", holder.pid())));
  EXPECT_THAT(second.error().Text(), HasSubstr(fmt::format("kill {}", holder.pid())));
  EXPECT_THAT(second.error().Text(), HasSubstr("tutti list"));
}

TEST(HomeLock, DoesNotAdviseToKillAHolderThatIsNotKnown) {
  const testing::TemporaryFolder home;
  const auto lock = HomeLock::Acquire(home.path());
  std::filesystem::resize_file(home / "lock", 0);  // as when the disk was full
  const auto second = HomeLock::Acquire(home.path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_THAT(second.error().Text(), ::testing::Not(HasSubstr("kill")));
}

TEST(HomeLock, EndsWithItsHolderHoweverThatEnds) {
  const testing::TemporaryFolder home;
  testing::ChildProcess holder([&](int pipe) {
    const auto lock = HomeLock::Acquire(home.path());
    if (!lock || ::write(pipe, "x", 1) != 1) return 1;
    ::pause();
    return 0;
  });
  ASSERT_EQ(holder.ReadByte(), 'x');
  holder.Kill();
  EXPECT_TRUE(HomeLock::Acquire(home.path()));
}

TEST(HomeLock, CanBeLookedAtWithoutTakingIt) {
  const testing::TemporaryFolder home;
  EXPECT_FALSE(HomeLock::IsHeld(home.path()));
  {
    const auto lock = HomeLock::Acquire(home.path());
    EXPECT_TRUE(HomeLock::IsHeld(home.path()));
  }
  EXPECT_FALSE(HomeLock::IsHeld(home.path()));
  EXPECT_TRUE(HomeLock::Acquire(home.path()));
}

TEST(HomeLock, IsReleasedByItsDestructionAndMovesWithItsValue) {
  const testing::TemporaryFolder home;
  {
    auto first = HomeLock::Acquire(home.path());
    ASSERT_TRUE(first);
    const HomeLock moved = std::move(*first);
    EXPECT_EQ(HomeLock::Acquire(home.path()).error().code, ErrorCode::kConflict);
  }
  EXPECT_TRUE(HomeLock::Acquire(home.path()));
}

}  // namespace
}  // namespace tutti::storage
