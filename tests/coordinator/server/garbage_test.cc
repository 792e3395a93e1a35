// What is of no use to anybody is found and deleted; nothing else is.
#include "coordinator/server/garbage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "storage/checkpoints/checkpoint_store.h"
#include "tests/support/temporary_folder.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const AttemptId kEnded{{EnsembleId("small-1"), "lenet5-s0"}, 1};

class GarbageTest : public ::testing::Test {
 protected:
  const fs::path& home() const { return folder_.path(); }
  void Write(const fs::path& relative, size_t bytes = 100) {
    fs::create_directories((home() / relative).parent_path());
    std::ofstream(home() / relative) << std::string(bytes, 'x');
  }
  fs::path In(const AttemptId& attempt) const {
    return fs::path(attempt.job.ensemble.str()) / storage::AttemptFolder(attempt);
  }
  std::vector<Garbage> Find(const GarbageSearch& search) {
    return FindGarbage(PosixFileSystem(), home(), search).value();
  }

  testing::TemporaryFolder folder_;
};

TEST_F(GarbageTest, IsWhatCutRemovalsLeft) {
  Write(".removing-small-3/members/a", 7);
  const auto garbage = Find({});
  ASSERT_THAT(garbage, SizeIs(1));
  EXPECT_EQ(garbage[0].kind, Garbage::Kind::kCutRemoval);
  EXPECT_EQ(garbage[0].bytes, 7U);
  ASSERT_TRUE(RemoveGarbage(PosixFileSystem(), home(), garbage));
  EXPECT_FALSE(fs::exists(home() / ".removing-small-3"));
  EXPECT_TRUE(RemoveGarbage(PosixFileSystem(), home(), garbage)) << "it is gone already";
}

TEST_F(GarbageTest, IsWhatATrainerMadeAnewOfARemovedEnsemble) {
  Write("small-3/members/mlp-s0/attempt-1/log.txt", 7);
  Write("small-4/members/mlp-s0/attempt-1/log.txt");  // it is there
  Write("small-5/members/mlp-s0/attempt-1/log.txt");
  Write("small-5/resolved.json");                     // the catalog does not know it, and can be made to
  Write("small-9/members/mlp-s0/attempt-1/log.txt");  // never given
  Write("other-1/members/notes.txt");
  Write("small-2/members/mlp-s0/attempt-1/log.txt");
  Write("small-2/notes.txt");  // a user's own
  GarbageSearch search;
  search.given = {{"small", 8}};
  search.known = {EnsembleId("small-4")};
  const auto garbage = Find(search);
  ASSERT_THAT(garbage, SizeIs(1));
  EXPECT_EQ(garbage[0].kind, Garbage::Kind::kCutRemoval);
  EXPECT_EQ(garbage[0].path, "small-3");
  EXPECT_EQ(garbage[0].bytes, 7U);
}

TEST_F(GarbageTest, IsWhatEndedAttemptsLeftHalfWritten) {
  const AttemptId live{kEnded.job, 2};
  for (const AttemptId& attempt : {kEnded, live}) {
    Write(In(attempt) / storage::kTaskName);
    Write(In(attempt) / ".step-00000010.tmp/model.safetensors");
    Write(In(attempt) / "log.txt");
  }
  const auto garbage = Find({{kEnded}, true});
  ASSERT_THAT(garbage, SizeIs(1));
  EXPECT_EQ(garbage[0].path, In(kEnded) / ".step-00000010.tmp");
  ASSERT_TRUE(RemoveGarbage(PosixFileSystem(), home(), garbage));
  EXPECT_TRUE(fs::exists(home() / In(kEnded) / "log.txt"));
  EXPECT_TRUE(fs::exists(home() / In(live) / ".step-00000010.tmp")) << "it is being written";
}

TEST_F(GarbageTest, IsNotWhatSomebodyRunsByHand) {
  Write(In(kEnded) / ".step-00000010.tmp/model.safetensors");
  EXPECT_THAT(Find({{kEnded}, true}), IsEmpty());
}

TEST_F(GarbageTest, IsPreparedDataOnceNothingTrains) {
  Write("cache/images");
  EXPECT_THAT(Find({{}, true}), IsEmpty());
  const auto garbage = Find({{}, false});
  ASSERT_THAT(garbage, SizeIs(1));
  ASSERT_TRUE(RemoveGarbage(PosixFileSystem(), home(), garbage));
  EXPECT_FALSE(fs::exists(home() / "cache"));
  EXPECT_THAT(Find({{}, false}), IsEmpty());
}

TEST_F(GarbageTest, IsToldWithItsSum) {
  const Json view = GarbageView({{Garbage::Kind::kPrepared, "cache", 5}, {Garbage::Kind::kCutRemoval, ".r", 6}}, true);
  EXPECT_EQ(view["bytes"], 11);
  EXPECT_EQ(view["garbage"][0]["kind"], "prepared data");
  EXPECT_EQ(view["removed"], true);
}

}  // namespace
}  // namespace tutti::server
