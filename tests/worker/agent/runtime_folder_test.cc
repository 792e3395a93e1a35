#include "worker/agent/runtime_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <fstream>
#include <optional>

#include "tests/support/temporary_folder.h"

namespace tutti::worker {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using tutti::testing::TemporaryFolder;

const WorkerAddress kAddress{"/runs", WorkerId("n1")};

class OpenSocket {
 public:
  explicit OpenSocket(const fs::path& path) : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }

 private:
  OwnedDescriptor socket_;
};

TEST(RuntimeFolder, IsTheUsersAloneAndRemovedAtTheEnd) {
  const TemporaryFolder base;
  std::optional<RuntimeFolder> folder = RuntimeFolder::Make(base / "run", kAddress).value();
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
  const auto folder = RuntimeFolder::Make(base / "run", kAddress);
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().code, ErrorCode::kDenied);
  EXPECT_THAT(folder.error().message, HasSubstr("chmod 700"));
}

TEST(RuntimeFolder, IsNotFollowedThroughALink) {
  const TemporaryFolder base;
  fs::create_directory(base / "elsewhere");
  fs::create_directory_symlink(base / "elsewhere", base / "run");
  EXPECT_FALSE(RuntimeFolder::Make(base / "run", kAddress));
}

TEST(RuntimeFolder, OfALivingAgentIsLeftAloneAndOfADeadOneRemoved) {
  const TemporaryFolder base;
  const RuntimeFolder living = RuntimeFolder::Make(base / "run", kAddress).value();
  fs::create_directory(base / "run" / "agent-dead00");
  std::ofstream(base / "run" / "agent-dead00" / "ranks.sock") << "";
  fs::create_directory(base / "run" / "not-ours");
  const RuntimeFolder next = RuntimeFolder::Make(base / "run", kAddress).value();
  EXPECT_TRUE(fs::exists(living.path()));
  EXPECT_TRUE(fs::exists(next.path()));
  EXPECT_FALSE(fs::exists(base / "run" / "agent-dead00"));
  EXPECT_TRUE(fs::exists(base / "run" / "not-ours"));
}

// Workers of two coordinators may have one name.
TEST(RuntimeFolder, IsFoundByTheWorkersNameAndHome) {
  const TemporaryFolder base;
  const WorkerAddress other{"/runs", WorkerId("n2")};
  const WorkerAddress elsewhere{"/other", WorkerId("n1")};
  const RuntimeFolder first = RuntimeFolder::Make(base / "run", kAddress).value();
  const RuntimeFolder second = RuntimeFolder::Make(base / "run", other).value();
  const OpenSocket one(first.path() / kRankSocket), two(second.path() / kRankSocket);
  const auto found = FindRankSocket(base / "run", kAddress);
  ASSERT_TRUE(found) << found.error().Text();
  EXPECT_TRUE(fs::equivalent(found->parent_path(), first.path()));
  EXPECT_TRUE(fs::equivalent(FindRankSocket(base / "run", other).value().parent_path(), second.path()));
  EXPECT_EQ(FindRankSocket(base / "run", elsewhere).error().code, ErrorCode::kNotFound);
}

TEST(RuntimeFolder, OfALaterAgentOfTheSameNameTakesOver) {
  const TemporaryFolder base;
  std::optional<RuntimeFolder> first = RuntimeFolder::Make(base / "run", kAddress).value();
  const RuntimeFolder second = RuntimeFolder::Make(base / "run", kAddress).value();
  const OpenSocket socket(second.path() / kRankSocket);
  EXPECT_TRUE(fs::equivalent(FindRankSocket(base / "run", kAddress).value().parent_path(), second.path()));
  first.reset();
  EXPECT_TRUE(FindRankSocket(base / "run", kAddress)) << "the link is not the first one's any more";
}

TEST(RuntimeFolder, OfADeadAgentIsNotFound) {
  const TemporaryFolder base;
  { const RuntimeFolder dead = RuntimeFolder::Make(base / "run", kAddress).value(); }
  fs::create_symlink("agent-dead00", base / "run" / "worker-dead00");
  const RuntimeFolder next = RuntimeFolder::Make(base / "run", {"/runs", WorkerId("n2")}).value();
  EXPECT_FALSE(FindRankSocket(base / "run", kAddress));
  EXPECT_FALSE(fs::is_symlink(base / "run" / "worker-dead00"));
}

TEST(RuntimeFolder, ThatLetsOthersInIsNoPlaceForRanks) {
  const TemporaryFolder base;
  const RuntimeFolder folder = RuntimeFolder::Make(base / "run", kAddress).value();
  const OpenSocket socket(folder.path() / kRankSocket);
  fs::permissions(base / "run", fs::perms::owner_all | fs::perms::group_exec);
  EXPECT_EQ(FindRankSocket(base / "run", kAddress).error().code, ErrorCode::kDenied);
}

}  // namespace
}  // namespace tutti::worker
