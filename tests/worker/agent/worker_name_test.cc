#include "worker/agent/worker_name.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <optional>

#include "tests/support/temporary_folder.h"

namespace tutti::worker {
namespace {

using ::testing::HasSubstr;

class Names : public ::testing::Test {
 protected:
  Result<WorkerName> Hold(const std::string& mark, const std::optional<std::string>& wanted = {}) {
    return WorkerName::Hold(folder_ / "run", mark, wanted, "node");
  }

  testing::TemporaryFolder folder_;
};

TEST_F(Names, AreTheHostsAndNumberedFromTheSecondOn) {
  const auto first = Hold("home");
  const auto second = Hold("home");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->id(), WorkerId("node"));
  EXPECT_EQ(second->id(), WorkerId("node-2"));
}

TEST_F(Names, ThatAWorkerOfTheSameHomeHasAreRefused) {
  const auto first = Hold("home", "n1");
  const auto second = Hold("home", "n1");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_THAT(second.error().message, HasSubstr("named n1: choose another name"));
}

TEST_F(Names, OfAnotherHomesWorkersDoNotMatter) {
  const auto here = Hold("home", "n1");
  const auto there = Hold("other", "n1");
  ASSERT_TRUE(there);
  EXPECT_EQ(there->id(), WorkerId("n1"));
}

TEST_F(Names, AreFreeAgainAndLeaveNothing) {
  Hold("home", "n1").value();
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "run"));
  EXPECT_TRUE(Hold("home", "n1"));
}

TEST_F(Names, ThatAreNoneAreRefused) {
  for (const char* name : {"", "../n1", "n 1"}) {
    const auto held = Hold("home", name);
    ASSERT_FALSE(held) << name;
    EXPECT_EQ(held.error().code, ErrorCode::kInvalid);
  }
}

}  // namespace
}  // namespace tutti::worker
