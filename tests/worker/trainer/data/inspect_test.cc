#include "worker/trainer/data/inspect.h"

#include <gmock/gmock.h>

#include "common/tensors/tensor_file.h"
#include "tests/worker/trainer/data/idx_files.h"

namespace tutti::trainer {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class Inspecting : public testing::Test {
 protected:
  Inspecting() {
    fs::create_directory(folder_.path() / "source");
    WriteSmallSource(folder_.path() / "source");
    task_.kind = JobKind::kInspect;
    task_.ensemble_folder = folder_.path() / "runs" / "small-1";
    task_.folder = task_.ensemble_folder / "members" / ".inspect" / "attempt-1";
    task_.cache = folder_.path() / "runs" / "cache";
    task_.data = SourceAt(folder_.path() / "source");
  }

  TemporaryFolder folder_;
  protocol::Task task_;
};

TEST_F(Inspecting, TellsWhatTheSourceHolds) {
  const auto inspected = Inspect(task_);
  ASSERT_TRUE(inspected.has_value()) << inspected.error().Text();
  EXPECT_EQ(inspected->training_samples, 6);
  EXPECT_EQ(inspected->test_samples, 2);
  EXPECT_EQ(inspected->classes, 3);
  EXPECT_THAT((std::vector{inspected->channels, inspected->height, inspected->width}), ElementsAre(1, 3, 4));
  EXPECT_EQ(inspected->data_hash.size(), 32u);
}

TEST_F(Inspecting, WritesTheLabelsOfAllSamplesInTheOrderOfTheirIds) {
  const auto inspected = Inspect(task_);
  ASSERT_TRUE(inspected.has_value()) << inspected.error().Text();
  EXPECT_EQ(inspected->file, "members/.inspect/attempt-1/labels.safetensors");
  const auto file = tensors::TensorFile::Read(PosixFileSystem(), task_.ensemble_folder / inspected->file);
  ASSERT_TRUE(file.has_value()) << file.error().Text();
  const std::vector<int64_t> shape = {8};
  const auto labels = file->Get("labels", tensors::DType::kI64, shape);
  ASSERT_TRUE(labels.has_value()) << labels.error().Text();
  EXPECT_THAT(labels->As<int64_t>(), ElementsAre(0, 1, 2, 0, 1, 2, 2, 0));
}

TEST_F(Inspecting, RefusesALabelThatWouldInventClasses) {
  std::string labels("\0\1\2\0\310\2", 6);
  WriteBytes(task_.data.path / kTrainLabels, IdxOf({6}, labels));
  const auto inspected = Inspect(task_);
  ASSERT_FALSE(inspected.has_value());
  EXPECT_EQ(inspected.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(inspected.error().Text(),
              testing::AllOf(testing::HasSubstr("label is 200"), testing::HasSubstr("197 have no sample"),
                             testing::HasSubstr("1 sample has it, the first is sample 4")));
}

TEST_F(Inspecting, TakesLabelsThatCountFromOne) {
  WriteBytes(task_.data.path / kTrainLabels, IdxOf({6}, "\1\2\3\1\2\3"));
  const auto inspected = Inspect(task_);
  ASSERT_TRUE(inspected.has_value()) << inspected.error().Text();
  EXPECT_EQ(inspected->classes, 4);
}

TEST_F(Inspecting, PassesOnWhatIsWrongWithTheSource) {
  fs::remove(task_.data.path / kTrainLabels);
  const auto inspected = Inspect(task_);
  ASSERT_FALSE(inspected.has_value());
  EXPECT_EQ(inspected.error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(fs::exists(task_.folder / "labels.safetensors"));
}

}  // namespace
}  // namespace tutti::trainer
