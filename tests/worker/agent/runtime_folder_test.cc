#include "worker/agent/runtime_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <optional>

#include "tests/support/temporary_folder.h"

namespace tutti::worker {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using tutti::testing::TemporaryFolder;

TEST(RuntimeFolder, IsTheUsersAloneAndRemovedAtTheEnd) {
  const TemporaryFolder base;
  std::optional<RuntimeFolder> folder = RuntimeFolder::Make(base / "run").value();
  EXPECT_EQ(fs::status(base / "run").permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::status(folder->path()).permissions(), fs::perms::owner_all);
  EXPECT_EQ(folder->path().parent_path(), base / "run");
  std::ofstream(folder->path() / "something") << "left";
  folder.reset();
  EXPECT_TRUE(fs::is_empty(base / "run"));
}

TEST(RuntimeFolder, ThatLetsOthersInIsRefused) {
  const TemporaryFolder base;
  fs::create_directory(base / "run");
  fs::permissions(base / "run", fs::perms::owner_all | fs::perms::others_exec);
  const auto folder = RuntimeFolder::Make(base / "run");
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().code, ErrorCode::kDenied);
  EXPECT_THAT(folder.error().message, HasSubstr("chmod 700"));
}

TEST(RuntimeFolder, IsNotFollowedThroughALink) {
  const TemporaryFolder base;
  fs::create_directory(base / "elsewhere");
  fs::create_directory_symlink(base / "elsewhere", base / "run");
  EXPECT_FALSE(RuntimeFolder::Make(base / "run"));
}

TEST(RuntimeFolder, OfALivingAgentIsLeftAloneAndOfADeadOneRemoved) {
  const TemporaryFolder base;
  const RuntimeFolder living = RuntimeFolder::Make(base / "run").value();
  fs::create_directory(base / "run" / "agent-dead00");
  std::ofstream(base / "run" / "agent-dead00" / "ranks.sock") << "";
  fs::create_directory(base / "run" / "not-ours");
  const RuntimeFolder next = RuntimeFolder::Make(base / "run").value();
  EXPECT_TRUE(fs::exists(living.path()));
  EXPECT_TRUE(fs::exists(next.path()));
  EXPECT_FALSE(fs::exists(base / "run" / "agent-dead00"));
  EXPECT_TRUE(fs::exists(base / "run" / "not-ours"));
}

}  // namespace
}  // namespace tutti::worker
