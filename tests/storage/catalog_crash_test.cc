// The start of a generation, cut at each of its steps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>

#include "tests/storage/records.h"
#include "tests/support/child_process.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace tutti::storage {
namespace {

namespace fs = std::filesystem;
using testing::FaultyFileSystem;
using testing::TemporaryFolder;

// A home whose last coordinator was killed: the newest commits are in the log alone.
void PrepareKilled(const fs::path& home, int starts) {
  for (int start = 1; start <= starts; ++start) {
    testing::ChildProcess coordinator([&](int pipe) {
      auto catalog = Catalog::Open(PosixFileSystem(), home);
      if (!catalog || !CommitOne(*catalog, Job("a-1", fmt::format("m{}", start)))) return 1;
      return ::write(pipe, "x", 1) == 1 ? ::pause() : 1;
    });
    ASSERT_EQ(coordinator.ReadByte(), 'x');
    coordinator.Kill();
  }
  ASSERT_GT(fs::file_size(home / "catalog" / fmt::format("{:04}", starts) / "catalog.db-wal"), 0U);
}

void ExpectAllThere(const fs::path& home, size_t jobs) {
  const auto read = Catalog::ReadNewest(PosixFileSystem(), home);
  ASSERT_TRUE(read) << read.error().Text();
  EXPECT_EQ(read->jobs.size(), jobs);
  const auto catalog = Catalog::Open(PosixFileSystem(), home);
  ASSERT_TRUE(catalog) << catalog.error().Text();
  EXPECT_EQ(catalog->Load().value().jobs.size(), jobs) << "an acknowledged commit was lost";
}

// Starts a coordinator with the fault that `plan` sets at operation 1, 2, ... until none happens.
void StartWithFaultAtEveryStep(const std::function<void(FaultyFileSystem&, int64_t)>& plan,
                               const std::function<void(FaultyFileSystem&)>& afterwards,
                               const std::function<Result<Catalog>(FileSystem&, const fs::path&)>& start,
                               const std::function<void(const fs::path&)>& check) {
  const TemporaryFolder prepared;
  PrepareKilled(prepared.path(), 4);
  for (int64_t operation = 1;; ++operation) {
    const TemporaryFolder home;
    fs::copy(prepared.path(), home.path(), fs::copy_options::recursive);
    FaultyFileSystem faulty(PosixFileSystem());
    plan(faulty, operation);
    { static_cast<void>(start(faulty, home.path())); }
    if (!faulty.fault_happened()) {
      EXPECT_GT(operation, 15) << "a start has more steps than that";
      return;
    }
    afterwards(faulty);
    SCOPED_TRACE(fmt::format("operation {} ({})", operation, faulty.log().at(static_cast<size_t>(operation - 1))));
    check(home.path());
    if (::testing::Test::HasFailure()) return;
  }
}

const auto kKeepPageCache = [](FaultyFileSystem&) {};
const auto kLosePageCache = [](FaultyFileSystem& files) { files.LoseAllUnsynced(); };
const auto kCrash = [](FaultyFileSystem& files, int64_t operation) { files.CrashAt(operation); };
const auto kOpen = [](FileSystem& files, const fs::path& home) { return Catalog::Open(files, home); };
const auto kAllThere = [](const fs::path& home) { ExpectAllThere(home, 4); };

TEST(CatalogCrash, AStartLosesNoCommit) { StartWithFaultAtEveryStep(kCrash, kKeepPageCache, kOpen, kAllThere); }

TEST(CatalogCrash, AStartLosesNoCommitWithThePageCacheLost) {
  StartWithFaultAtEveryStep(kCrash, kLosePageCache, kOpen, kAllThere);
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    StartWithFaultAtEveryStep(
        kCrash, [seed](FaultyFileSystem& files) { files.LoseSomeUnsynced(seed); }, kOpen, kAllThere);
  }
}

TEST(CatalogCrash, AStartThatMeetsAnErrorLosesNoCommit) {
  StartWithFaultAtEveryStep([](FaultyFileSystem& files, int64_t operation) { files.FailAt(operation, ErrorCode::kIo); },
                            kKeepPageCache, kOpen, kAllThere);
  StartWithFaultAtEveryStep(
      [](FaultyFileSystem& files, int64_t operation) { files.CutShortAt(operation, ErrorCode::kNoSpace); },
      kKeepPageCache, kOpen, kAllThere);
}

TEST(CatalogCrash, AReplacementIsThereWholeOrNotAtAll) {
  const TemporaryFolder prepared;
  PrepareKilled(prepared.path(), 1);
  for (int64_t operation = 1;; ++operation) {
    const TemporaryFolder home;
    fs::copy(prepared.path(), home.path(), fs::copy_options::recursive);
    FaultyFileSystem faulty(PosixFileSystem());
    faulty.CrashAt(operation);
    { static_cast<void>(Catalog::Replace(faulty, home.path(), HardRecords())); }
    if (!faulty.fault_happened()) break;
    faulty.LoseAllUnsynced();
    const auto records = Catalog::Open(PosixFileSystem(), home.path());
    ASSERT_TRUE(records) << records.error().Text();
    if (records->Load().value() != HardRecords()) {
      EXPECT_EQ(records->Load().value().jobs.size(), 1U) << "neither the old nor the new at operation " << operation;
    }
  }
}

}  // namespace
}  // namespace tutti::storage
