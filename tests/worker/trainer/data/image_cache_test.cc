#include "worker/trainer/data/image_cache.h"

#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>

#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace tutti::trainer {
namespace {

using tutti::testing::FaultyFileSystem;

DecodedImages SmallImages() {
  DecodedImages decoded;
  decoded.channels = 1, decoded.height = 2, decoded.width = 2;
  decoded.training_samples = 1, decoded.test_samples = 1;
  decoded.classes = 2;
  decoded.pixels = {1, 2, 3, 4, 5, 6, 7, 8};
  decoded.labels = {0, 1};
  return decoded;
}

TEST(ImageFile, KeepsTheHashThatItWasGiven) {
  const tutti::testing::TemporaryFolder folder;
  const std::string hash(32, 'a');
  ASSERT_TRUE(WriteImageFile(PosixFileSystem(), folder / "x.images", SmallImages(), hash));
  EXPECT_EQ(MapImageFile(folder / "x.images")->data_hash, hash);
}

// On a full disk a half-written file would keep the disk full.
TEST(ImageFile, LeavesNothingBehindThatCouldNotBeWritten) {
  const std::string hash(32, 'a');
  int64_t operations = 0;
  {
    const tutti::testing::TemporaryFolder folder;
    FaultyFileSystem disk(PosixFileSystem());
    ASSERT_TRUE(WriteImageFile(disk, folder / "x.images", SmallImages(), hash));
    operations = disk.operations();
  }
  for (int64_t operation = 1; operation <= operations; ++operation) {
    const tutti::testing::TemporaryFolder folder;
    FaultyFileSystem disk(PosixFileSystem());
    disk.CutShortAt(operation, ErrorCode::kNoSpace);
    const auto written = WriteImageFile(disk, folder / "x.images", SmallImages(), hash);
    ASSERT_FALSE(written) << operation;
    EXPECT_EQ(written.error().code, ErrorCode::kNoSpace);
    EXPECT_FALSE(PosixFileSystem().Exists(folder / "x.images.tmp")) << disk.log().back();
  }
}

}  // namespace
}  // namespace tutti::trainer
