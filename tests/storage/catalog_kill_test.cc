// SQLite writes past our file system, so here real processes are killed and really run out of space.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/storage/records.h"
#include "tests/support/child_process.h"
#include "tests/support/temporary_folder.h"

namespace tutti::storage {
namespace {

namespace fs = std::filesystem;

// Each commit writes a pair of rows that belong together and is told through the pipe once it is acknowledged.
int CommitPairsForEver(const fs::path& home, int pipe) {
  auto catalog = Catalog::Open(PosixFileSystem(), home);
  if (!catalog) return 1;
  int64_t step = static_cast<int64_t>(catalog->Load().value().checkpoints.size());
  for (;; ++step) {
    JobRecord job = Job("a-1", fmt::format("m{}", step));
    job.reason = std::string(3000, 'r');  // several pages a commit
    const std::vector<Change> pair = {Record(job), Record(Checkpoint("a-1", "m", 1, step))};
    if (!catalog->Commit(pair)) return 2;
    if (::write(pipe, "c", 1) != 1) return 3;
  }
}

TEST(CatalogKill, NoAcknowledgedCommitIsLostAndNoneIsHalf) {
  const testing::TemporaryFolder home;
  size_t acknowledged = 0;
  for (int kill = 0; kill < 12; ++kill) {
    testing::ChildProcess coordinator([&](int pipe) { return CommitPairsForEver(home.path(), pipe); });
    const int commits = 1 + kill * 7 % 40;
    for (int i = 0; i < commits; ++i) ASSERT_EQ(coordinator.ReadByte(), 'c');
    coordinator.Kill();  // in the middle of whatever it was doing
    acknowledged += static_cast<size_t>(commits);
    while (coordinator.ReadByte() == 'c') ++acknowledged;

    const auto records = Catalog::ReadNewest(PosixFileSystem(), home.path());
    ASSERT_TRUE(records) << records.error().Text();
    EXPECT_GE(records->jobs.size(), acknowledged) << "an acknowledged commit was lost";
    EXPECT_LE(records->jobs.size(), acknowledged + 1) << "one more may have been written, not yet acknowledged";
    EXPECT_EQ(records->jobs.size(), records->checkpoints.size()) << "half a commit";
    acknowledged = records->jobs.size();
  }
}

TEST(CatalogKill, ASecondThatStartsWhileTheFirstCommitsHasAllThatWasAcknowledged) {
  for (int round = 0; round < 8; ++round) {
    const testing::TemporaryFolder home;
    testing::ChildProcess first([&](int pipe) { return CommitPairsForEver(home.path(), pipe); });
    size_t acknowledged = 0;
    for (int i = 0; i < 3 + round; ++i) {
      ASSERT_EQ(first.ReadByte(), 'c');
      ++acknowledged;
    }
    auto second = Catalog::Open(PosixFileSystem(), home.path());  // while the first goes on
    ASSERT_TRUE(second) << second.error().Text();
    while (first.ReadByte() == 'c') ++acknowledged;
    EXPECT_EQ(first.Wait(), 2) << "the first finds out by itself and leaves";

    const auto records = second->Load().value();
    EXPECT_GE(records.jobs.size(), acknowledged) << "acknowledged by the first, unknown to the second";
    EXPECT_EQ(records.jobs.size(), records.checkpoints.size());
    EXPECT_TRUE(CommitOne(*second, Ensemble("a-1")));
  }
}

TEST(CatalogKill, ADiskThatIsFullFailsTheCommitWholeAndKeepsWhatWasThere) {
  const testing::TemporaryFolder home;
  testing::ChildProcess coordinator([&](int pipe) {
    auto catalog = Catalog::Open(PosixFileSystem(), home.path());
    if (!catalog || !CommitOne(*catalog, Ensemble("a-1"))) return 1;
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{200'000, 200'000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
    EnsembleRecord large = Ensemble("a-2");
    large.spec = std::string(1'000'000, 's');
    const std::vector<Change> changes = {Record(Job("a-2", "m")), Record(large)};
    if (catalog->Commit(changes)) return 3;
    if (CommitOne(*catalog, Ensemble("a-3"))) return 4;  // the owner must end
    return ::write(pipe, "x", 1) == 1 ? 0 : 5;
  });
  EXPECT_EQ(coordinator.ReadByte(), 'x');
  EXPECT_EQ(coordinator.Wait(), 0);
  const auto records = Catalog::Open(PosixFileSystem(), home.path())->Load().value();
  EXPECT_THAT(records.ensembles, ::testing::ElementsAre(Ensemble("a-1")));
  EXPECT_THAT(records.jobs, ::testing::IsEmpty());
}

}  // namespace
}  // namespace tutti::storage
