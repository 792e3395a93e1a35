#include "coordinator/server/new_ensemble.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "coordinator/server/ensemble_files.h"
#include "coordinator/server/file_store.h"
#include "experiments.h"
#include "storage/fsck/ensemble_folders.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

FileSystem& Disk() { return PosixFileSystem(); }

class NewEnsembleTest : public ::testing::Test {
 protected:
  NewEnsembleTest() {
    const std::string content = "weights";
    hash_ = testing::HashOf(content);
    TUTTI_CHECK(ReceiveFile(Disk(), home(), hash_, content.size(), 0, content));
    ensemble_ = {testing::AnExperiment(), {{"/a/start", hash_}}, "name: trial\n"};
  }
  fs::path home() const { return folder_.path(); }
  std::vector<std::string> InHome() const {
    std::vector<std::string> names;
    const std::vector<FileInfo> entries = Disk().List(home()).value();
    for (const FileInfo& entry : entries) {
      if (entry.name != "files") names.push_back(entry.name);
    }
    return names;
  }

  testing::TemporaryFolder folder_;
  std::string hash_;
  NewEnsemble ensemble_;
};

TEST_F(NewEnsembleTest, IsWholeOnceItHasItsId) {
  const fs::path draft = DraftEnsemble(Disk(), home(), ensemble_).value();
  EXPECT_THAT(storage::EnsembleFolders(Disk(), home()).value(), IsEmpty()) << "nobody takes a draft for an ensemble";
  EXPECT_EQ(GiveId(Disk(), draft, "trial", 0).value(), EnsembleId("trial-1"));
  for (const char* name : {"experiment.yaml", "resolved.yaml", kResolvedExperiment, "members", "files/names.json"}) {
    EXPECT_TRUE(fs::exists(home() / "trial-1" / name)) << name;
  }
  EXPECT_EQ(Disk().Read(home() / "trial-1" / spec::CopyOf(hash_)).value(), "weights");
  EXPECT_THAT(InHome(), ElementsAre("trial-1"));
}

TEST_F(NewEnsembleTest, HasNoExperimentFileWhereNobodyWroteOne) {
  ensemble_.source.reset();
  const fs::path draft = DraftEnsemble(Disk(), home(), ensemble_).value();
  EXPECT_FALSE(fs::exists(draft / "experiment.yaml"));
}

TEST_F(NewEnsembleTest, PassesOverNamesThatAreThere) {
  fs::create_directories(home() / "trial-3");
  std::ofstream(home() / "trial-4") << "a user's own";
  fs::create_symlink("/nowhere/at/all", home() / "trial-5");
  const fs::path draft = DraftEnsemble(Disk(), home(), ensemble_).value();
  EXPECT_EQ(GiveId(Disk(), draft, "trial", 2).value(), EnsembleId("trial-6"));
  EXPECT_TRUE(fs::is_empty(home() / "trial-3"));
}

TEST_F(NewEnsembleTest, DraftsAreFoundAndNothingElse) {
  const fs::path draft = DraftEnsemble(Disk(), home(), ensemble_).value();
  fs::create_directories(home() / ".new-experiments-2024");
  std::ofstream(home() / ".new-0123456789abcdef") << "a user's own";
  EXPECT_THAT(FindDrafts(Disk(), home()), ElementsAre(draft));
}

TEST_F(NewEnsembleTest, AnErrorAtAnyStepOfTheDraftLeavesNothing) {
  for (int64_t step = 1;; ++step) {
    testing::FaultyFileSystem files(Disk());
    files.FailAt(step, ErrorCode::kNoSpace);
    const auto draft = DraftEnsemble(files, home(), ensemble_);
    if (!files.fault_happened()) break;
    ASSERT_FALSE(draft) << "step " << step << " of " << ::testing::PrintToString(files.log());
    // A file that cannot be looked at counts as one that is to be sent.
    EXPECT_THAT(draft.error().code, ::testing::AnyOf(ErrorCode::kNotFound, ErrorCode::kNoSpace)) << "step " << step;
    EXPECT_THAT(InHome(), IsEmpty()) << "step " << step;
  }
}

TEST_F(NewEnsembleTest, AnErrorAtAnyStepOfGivingTheIdLeavesTheDraftAlone) {
  const fs::path draft = DraftEnsemble(Disk(), home(), ensemble_).value();
  for (int64_t step = 1;; ++step) {
    testing::FaultyFileSystem files(Disk());
    files.FailAt(step, ErrorCode::kNoSpace);
    const auto id = GiveId(files, draft, "trial", 0);
    if (!files.fault_happened()) break;
    EXPECT_EQ(id.error().code, ErrorCode::kNoSpace) << "step " << step;
    EXPECT_THAT(InHome(), ElementsAre(draft.filename())) << "step " << step;
  }
}

// The machine is lost at each step in turn, and once after the last, with what was not synced.
TEST_F(NewEnsembleTest, AfterACrashItIsWholeOrNoEnsemble) {
  for (int64_t step = 1;; ++step) {
    bool crashed = false;
    for (uint64_t loss = 0; loss < 4; ++loss) {
      testing::FaultyFileSystem files(Disk());
      files.CrashAt(step);
      const auto draft = DraftEnsemble(files, home(), ensemble_);
      const auto id = draft ? GiveId(files, *draft, "trial", 0) : Result<EnsembleId>(tl::unexpected(draft.error()));
      crashed = files.fault_happened();
      loss == 0 ? files.LoseAllUnsynced() : files.LoseSomeUnsynced(loss);
      const auto ensembles = storage::EnsembleFolders(Disk(), home()).value();
      EXPECT_TRUE(ensembles.contains(EnsembleId("trial-1")) || !id) << "step " << step;
      if (!ensembles.empty()) {
        EXPECT_EQ(Disk().Read(home() / "trial-1" / spec::CopyOf(hash_)).value_or("(none)"), "weights") << step;
        EXPECT_EQ(Disk().Read(home() / "trial-1" / kResolvedExperiment).value_or(""),
                  spec::ToJson(ensemble_.spec).dump())
            << step;
      } else if (fs::exists(home() / "trial-1")) {
        EXPECT_TRUE(fs::is_empty(home() / "trial-1")) << step;
      }
      for (const fs::path& left : FindDrafts(Disk(), home())) fs::remove_all(left);
      fs::remove_all(home() / "trial-1");
      EXPECT_THAT(InHome(), IsEmpty()) << "step " << step;
    }
    if (!crashed) break;
  }
}

}  // namespace
}  // namespace tutti::server
