// A commit and a deletion, cut at each of their steps, by an error and by the loss of the machine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "storage/checkpoints/checkpoint_store.h"
#include "tests/storage/checkpoints.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace tutti::storage {
namespace {

using testing::FaultyFileSystem;
using ::testing::IsEmpty;
using testing::TemporaryFolder;

// What the power cut left of the page cache.
struct Loss {
  std::string name;
  std::function<void(FaultyFileSystem&)> happen;
};

std::vector<Loss> Losses() {
  std::vector<Loss> losses = {{"keeps all", [](FaultyFileSystem&) {}},
                              {"loses all", [](FaultyFileSystem& files) { files.LoseAllUnsynced(); }}};
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    losses.push_back(
        {fmt::format("loses some, seed {}", seed), [seed](FaultyFileSystem& files) { files.LoseSomeUnsynced(seed); }});
  }
  return losses;
}

enum class Presence { kWhole, kAbsent };

// Whole or absent; fails the test for anything between.
Presence PresenceOf(const CheckpointStore& store, const AttemptId& attempt, int64_t step) {
  const auto contents = store.Inspect(attempt);
  if (!contents) {
    EXPECT_EQ(contents.error().code, ErrorCode::kNotFound) << contents.error().Text();
    return Presence::kAbsent;
  }
  EXPECT_THAT(contents->quarantined, IsEmpty()) << "half a checkpoint";
  for (const FoundCheckpoint& checkpoint : contents->checkpoints) {
    if (checkpoint.manifest.step != step) continue;
    const auto verified = store.Verify(checkpoint);
    EXPECT_TRUE(verified) << verified.error().Text();
    return Presence::kWhole;
  }
  return Presence::kAbsent;
}

// Runs `action` with a crash at operation 1, 2, ... until it ends without one. `check` sees the disk after each.
void CrashAtEveryStep(const std::function<void(CheckpointStore&)>& prepare,
                      const std::function<Result<void>(CheckpointStore&)>& action,
                      const std::function<void(const CheckpointStore&, bool acknowledged)>& check) {
  for (const Loss& loss : Losses()) {
    int64_t crashes = 0;
    for (bool crashed = true; crashed;) {
      const TemporaryFolder home;
      CheckpointStore plain(PosixFileSystem(), home / "fashion-mnist-3");
      prepare(plain);
      FaultyFileSystem faulty(PosixFileSystem());
      faulty.CrashAt(++crashes);
      CheckpointStore store(faulty, home / "fashion-mnist-3");
      const bool acknowledged = action(store).has_value();
      crashed = faulty.fault_happened();
      loss.happen(faulty);
      SCOPED_TRACE(fmt::format("crash at operation {} ({}), the disk {}", crashes,
                               crashed ? faulty.log().back() : "none", loss.name));
      check(plain, acknowledged);
      if (::testing::Test::HasFailure()) return;
    }
    EXPECT_GT(crashes, 5) << "the action has more steps than that";
  }
}

TEST(CheckpointCrash, ACommitLeavesTheWholeCheckpointOrNone) {
  int whole = 0, absent = 0;
  CrashAtEveryStep([](CheckpointStore& store) { ASSERT_TRUE(WriteCheckpoint(store, Attempt(1), 10)); },
                   [](CheckpointStore& store) -> Result<void> {
                     TUTTI_RETURN_IF_ERROR(WriteCheckpoint(store, Attempt(1), 20));
                     return {};
                   },
                   [&](const CheckpointStore& store, bool acknowledged) {
                     EXPECT_EQ(PresenceOf(store, Attempt(1), 10), Presence::kWhole) << "the one before is not touched";
                     const Presence presence = PresenceOf(store, Attempt(1), 20);
                     if (acknowledged) {
                       EXPECT_EQ(presence, Presence::kWhole) << "acknowledged and lost";
                     }
                     ++(presence == Presence::kWhole ? whole : absent);
                   });
  EXPECT_GT(whole, 0);
  EXPECT_GT(absent, 0);
}

// The folders above a first checkpoint are new as well: their entries must be as durable as its own.
TEST(CheckpointCrash, TheFirstCheckpointOfAnEnsembleSurvivesOnceItIsAcknowledged) {
  CrashAtEveryStep([](CheckpointStore&) {},
                   [](CheckpointStore& store) -> Result<void> {
                     TUTTI_RETURN_IF_ERROR(WriteCheckpoint(store, Attempt(1), 10));
                     return {};
                   },
                   [](const CheckpointStore& store, bool acknowledged) {
                     const Presence presence = PresenceOf(store, Attempt(1), 10);
                     if (acknowledged) {
                       EXPECT_EQ(presence, Presence::kWhole);
                     }
                   });
}

TEST(CheckpointCrash, AWriteThatWasCutCanBeTriedAgainByTheNextAttempt) {
  CrashAtEveryStep([](CheckpointStore&) {},
                   [](CheckpointStore& store) -> Result<void> {
                     TUTTI_RETURN_IF_ERROR(WriteCheckpoint(store, Attempt(1), 10));
                     return {};
                   },
                   [](const CheckpointStore& looked_at, bool) {
                     CheckpointStore store = looked_at;
                     ASSERT_TRUE(store.RemoveTemporary(Attempt(1)));
                     const auto again = WriteCheckpoint(store, Attempt(2), 10);
                     EXPECT_TRUE(again) << again.error().Text();
                     if (const auto contents = store.Inspect(Attempt(1))) {
                       EXPECT_THAT(contents->temporary, IsEmpty());
                     }
                   });
}

TEST(CheckpointCrash, ADeletionLeavesTheWholeCheckpointOrNoneAndGoesOn) {
  CrashAtEveryStep(
      [](CheckpointStore& store) {
        for (const int64_t step : {10, 20}) ASSERT_TRUE(WriteCheckpoint(store, Attempt(1), step));
      },
      [](CheckpointStore& store) { return store.Remove(Attempt(1), 10); },
      [](const CheckpointStore& looked_at, bool done) {
        EXPECT_EQ(PresenceOf(looked_at, Attempt(1), 20), Presence::kWhole) << "the other one is spared";
        const Presence presence = PresenceOf(looked_at, Attempt(1), 10);
        if (done) {
          EXPECT_EQ(presence, Presence::kAbsent) << "its row is dropped now: it must not come back";
        }
        CheckpointStore store = looked_at;
        EXPECT_TRUE(store.Remove(Attempt(1), 10)) << "the marked row goes on from there";
        EXPECT_EQ(PresenceOf(store, Attempt(1), 10), Presence::kAbsent);
        if (!done) {
          EXPECT_THAT(store.Inspect(Attempt(1))->temporary, IsEmpty());
        }
      });
}

enum class FaultKind { kError, kShort };

class CheckpointError : public ::testing::TestWithParam<std::pair<FaultKind, ErrorCode>> {};

TEST_P(CheckpointError, AtAnyStepOfACommitIsReportedAndLeavesTheWholeCheckpointOrNone) {
  const auto [kind, code] = GetParam();
  for (int64_t operation = 1;; ++operation) {
    const TemporaryFolder home;
    FaultyFileSystem faulty(PosixFileSystem());
    if (kind == FaultKind::kError) faulty.FailAt(operation, code);
    if (kind == FaultKind::kShort) faulty.CutShortAt(operation, code);
    CheckpointStore store(faulty, home / "fashion-mnist-3");
    const auto written = WriteCheckpoint(store, Attempt(1), 10);
    if (!faulty.fault_happened()) {
      EXPECT_TRUE(written);
      EXPECT_GT(operation, 20) << "a commit has more steps than that";
      return;
    }
    SCOPED_TRACE(fmt::format("error at operation {}", operation));
    const CheckpointStore plain(PosixFileSystem(), home / "fashion-mnist-3");
    const Presence presence = PresenceOf(plain, Attempt(1), 10);
    if (written) {
      EXPECT_EQ(presence, Presence::kWhole) << "acknowledged and lost";
    } else {
      EXPECT_EQ(written.error().code, code) << written.error().Text();
    }
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Disk, CheckpointError,
                         ::testing::Values(std::pair{FaultKind::kError, ErrorCode::kIo},
                                           std::pair{FaultKind::kError, ErrorCode::kNoSpace},
                                           std::pair{FaultKind::kShort, ErrorCode::kNoSpace}));

}  // namespace
}  // namespace tutti::storage
