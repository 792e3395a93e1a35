#include "worker/trainer/data/images.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/from_blob.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <set>

#include "tests/worker/trainer/data/idx_files.h"
#include "worker/trainer/data/image_cache.h"

namespace tutti::trainer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::set<fs::path> FilesWith(const fs::path& folder, const std::string& extension) {
  std::set<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == extension) found.insert(entry.path());
  }
  return found;
}

class ImagesInCache : public testing::Test {
 protected:
  ImagesInCache() {
    fs::create_directory(source());
    WriteSmallSource(source());
    Settle(source());
  }
  fs::path source() const { return folder_.path() / "source"; }
  fs::path cache() const { return folder_.path() / "runs" / "cache"; }

  Images MustOpen(std::optional<int64_t> side = std::nullopt) const {
    Result<Images> images = OpenImages(SourceAt(source()), side, cache());
    EXPECT_TRUE(images.has_value()) << images.error().Text();
    return *images;
  }
  fs::path ImageFile() const { return *FilesWith(cache(), ".images").begin(); }
  static ino_t FileNumber(const fs::path& path) {
    struct stat status;
    TUTTI_CHECK(::stat(path.c_str(), &status) == 0);
    return status.st_ino;
  }

  TemporaryFolder folder_;
};

void ExpectSmallSource(const Images& images) {
  EXPECT_EQ(images.training_samples, 6);
  EXPECT_EQ(images.test_samples, 2);
  EXPECT_EQ(images.classes, 3);
  EXPECT_EQ(images.pixels.sizes(), (std::vector<int64_t>{8, 1, 3, 4}));
  EXPECT_EQ(images.pixels.scalar_type(), at::kByte);
  std::string pixels = PixelRamp(72) + PixelRamp(24, 100);
  EXPECT_TRUE(at::equal(images.pixels, at::from_blob(pixels.data(), {8, 1, 3, 4}, at::kByte)));
  std::vector<int64_t> labels = {0, 1, 2, 0, 1, 2, 2, 0};
  EXPECT_TRUE(at::equal(images.labels, at::from_blob(labels.data(), {8}, at::kLong)));
}

TEST_F(ImagesInCache, AreTheSameColdAndWarm) {
  const Images cold = MustOpen();
  ExpectSmallSource(cold);
  const Images warm = MustOpen();
  ExpectSmallSource(warm);
  EXPECT_EQ(warm.data_hash, cold.data_hash);
}

// The way that reads and hashes the source writes the stamp at its end.
TEST_F(ImagesInCache, AreNotReadFromTheSourceAgain) {
  MustOpen();
  const fs::path stamp = *FilesWith(cache(), ".source").begin();
  const ino_t written = FileNumber(stamp);
  MustOpen();
  EXPECT_EQ(FileNumber(stamp), written);
}

TEST_F(ImagesInCache, OutliveTheCachesFiles) {
  const Images images = MustOpen();
  fs::remove_all(cache());
  fs::remove_all(source());
  ExpectSmallSource(images);
}

TEST_F(ImagesInCache, AreSharedByCopiesOfTheSourceElsewhere) {
  const Images first = MustOpen();
  const fs::path copy = folder_.path() / "copy";
  fs::create_directory(copy);
  WriteSmallSource(copy);
  Settle(copy);
  const auto second = OpenImages(SourceAt(copy), std::nullopt, cache());
  ASSERT_TRUE(second.has_value()) << second.error().Text();
  EXPECT_EQ(FilesWith(cache(), ".images").size(), 1u);
  EXPECT_EQ(second->data_hash, first.data_hash);
}

TEST_F(ImagesInCache, HaveTheSameHashPackedAndPlain) {
  const Images plain = MustOpen();
  WriteBytes(source() / (kTrainImages + ".gz"), Gzip(ReadBytes(source() / kTrainImages)));
  fs::remove(source() / kTrainImages);
  EXPECT_EQ(MustOpen().data_hash, plain.data_hash);
}

TEST_F(ImagesInCache, FollowASourceThatChanges) {
  const Images before = MustOpen();
  WriteBytes(source() / kTrainLabels, IdxOf({6}, std::string("\2\1\0\2\1\0", 6)));
  const Images after = MustOpen();
  EXPECT_EQ(after.labels.const_data_ptr<int64_t>()[0], 2);
  EXPECT_NE(after.data_hash, before.data_hash);
}

// Two writes within one tick of the file system's clock leave size and time alike.
TEST_F(ImagesInCache, DoNotTrustTheTimeOfAFileWrittenJustNow) {
  WriteBytes(source() / kTrainLabels, IdxOf({6}, std::string("\0\1\2\0\1\1", 6)));
  MustOpen();
  EXPECT_TRUE(FilesWith(cache(), ".source").empty());
  Settle(source());
  MustOpen();
  EXPECT_EQ(FilesWith(cache(), ".source").size(), 1u);
}

TEST_F(ImagesInCache, AreMadeAnewWhenTheCacheIsCutAnywhere) {
  MustOpen();
  const std::string whole = ReadBytes(ImageFile());
  for (const size_t length : {size_t{0}, size_t{8}, size_t{4095}, size_t{4096}, size_t{4200}, whole.size() - 1}) {
    WriteBytes(ImageFile(), whole.substr(0, length));
    ExpectSmallSource(MustOpen());
    EXPECT_EQ(ReadBytes(ImageFile()), whole) << "cut to " << length;
  }
}

TEST_F(ImagesInCache, AreMadeAnewWhenTheHeaderIsDamaged) {
  MustOpen();
  const std::string whole = ReadBytes(ImageFile());
  for (size_t byte = 0; byte < 128; byte += 8) {
    std::string damaged = whole;
    damaged[byte] = static_cast<char>(damaged[byte] ^ 0x10);
    WriteBytes(ImageFile(), damaged);
    ExpectSmallSource(MustOpen());
    EXPECT_EQ(ReadBytes(ImageFile()), whole) << "byte " << byte;
  }
}

TEST_F(ImagesInCache, AreMadeAnewWhenBytesWereAppended) {
  MustOpen();
  const std::string whole = ReadBytes(ImageFile());
  WriteBytes(ImageFile(), whole + "x");
  ExpectSmallSource(MustOpen());
  EXPECT_EQ(ReadBytes(ImageFile()), whole);
}

TEST_F(ImagesInCache, AreMadeAnewWhenALabelIsNoClass) {
  MustOpen();
  const std::string whole = ReadBytes(ImageFile());
  for (const size_t byte : {size_t{4096}, size_t{4096 + 8 * 7 + 7}}) {  // of the first label, of the last one's sign
    std::string damaged = whole;
    damaged[byte] = static_cast<char>(damaged[byte] ^ 0x80);
    WriteBytes(ImageFile(), damaged);
    ExpectSmallSource(MustOpen());
    EXPECT_EQ(ReadBytes(ImageFile()), whole) << "byte " << byte;
  }
}

TEST_F(ImagesInCache, AreFoundAgainWhenTheStampIsDamaged) {
  MustOpen();
  for (const std::string& nonsense : {std::string(), std::string("../../elsewhere"), std::string(40, '\0')}) {
    WriteBytes(*FilesWith(cache(), ".source").begin(), nonsense);
    ExpectSmallSource(MustOpen());
  }
}

TEST_F(ImagesInCache, AreScaledEachForItself) {
  WriteBytes(source() / kTrainImages, IdxOf({6, 4, 4}, PixelRamp(6 * 16)));
  WriteBytes(source() / kTestImages, IdxOf({2, 4, 4}, std::string(16, '\x08') + std::string(16, '\x20')));
  const Images whole = MustOpen();
  const Images scaled = MustOpen(2);
  EXPECT_EQ(scaled.pixels.sizes(), (std::vector<int64_t>{8, 1, 2, 2}));
  EXPECT_EQ(scaled.pixels.scalar_type(), at::kByte);
  EXPECT_TRUE(scaled.pixels[6].eq(0x08).all().item<bool>());
  EXPECT_TRUE(scaled.pixels[7].eq(0x20).all().item<bool>());
  EXPECT_TRUE(at::equal(scaled.labels, whole.labels));
  EXPECT_EQ(scaled.training_samples, whole.training_samples);
  EXPECT_EQ(scaled.classes, whole.classes);
  EXPECT_EQ(scaled.data_hash, whole.data_hash) << "they are the same data";
}

// Each attempt and each rank of it opens them: none makes its own.
TEST_F(ImagesInCache, AreScaledOnceForAll) {
  const Images first = MustOpen(2);
  const std::set<fs::path> files = FilesWith(cache(), ".images");
  ASSERT_EQ(files.size(), 2u);
  std::set<ino_t> made;
  for (const fs::path& file : files) made.insert(FileNumber(file));
  const Images second = MustOpen(2);
  EXPECT_TRUE(at::equal(second.pixels, first.pixels));
  std::set<ino_t> still_there;
  for (const fs::path& file : FilesWith(cache(), ".images")) still_there.insert(FileNumber(file));
  EXPECT_EQ(still_there, made);
}

TEST_F(ImagesInCache, AreScaledAnewWhenTheScaledOnesAreDamaged) {
  MustOpen();
  const fs::path whole = ImageFile();
  const Images scaled = MustOpen(2);
  std::set<fs::path> files = FilesWith(cache(), ".images");
  files.erase(whole);
  ASSERT_EQ(files.size(), 1u);
  const std::string bytes = ReadBytes(*files.begin());
  fs::remove(*files.begin());  // what is mapped must not be cut
  WriteBytes(*files.begin(), bytes.substr(0, bytes.size() - 1));
  EXPECT_TRUE(at::equal(MustOpen(2).pixels, scaled.pixels));
  EXPECT_EQ(ReadBytes(*files.begin()), bytes);
}

TEST_F(ImagesInCache, LeaveNoTemporaryFiles) {
  MustOpen();
  EXPECT_TRUE(FilesWith(cache(), ".tmp").empty());
}

TEST_F(ImagesInCache, AreDecodedOnceBySeveralProcesses) {
  fs::create_directories(cache());
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto images = OpenImages(SourceAt(source()), std::nullopt, cache());
      ::_exit(images && images->training_samples == 6 && images->data_hash.size() == 32 ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(FilesWith(cache(), ".images").size(), 1u);
  EXPECT_TRUE(FilesWith(cache(), ".tmp").empty());
  ExpectSmallSource(MustOpen());
}

TEST_F(ImagesInCache, AreRefusedWithTheNamesOfKnownSources) {
  spec::DataSpec data = SourceAt(source());
  data.source = "idk";
  const auto images = OpenImages(data, std::nullopt, cache());
  ASSERT_FALSE(images.has_value());
  EXPECT_EQ(images.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(images.error().Text(), HasSubstr("use idx"));
}

TEST_F(ImagesInCache, LeaveNothingOfABrokenSource) {
  WriteBytes(source() / kTrainLabels, "no labels");
  EXPECT_EQ(OpenImages(SourceAt(source()), std::nullopt, cache()).error().code, ErrorCode::kInvalid);
  EXPECT_TRUE(FilesWith(cache(), ".images").empty());
  EXPECT_TRUE(FilesWith(cache(), ".source").empty());
}

TEST_F(ImagesInCache, SayWhereTheCacheCannotBe) {
  WriteBytes(folder_.path() / "file", "");
  const auto images = OpenImages(SourceAt(source()), std::nullopt, folder_.path() / "file" / "cache");
  ASSERT_FALSE(images.has_value());
  EXPECT_THAT(images.error().Text(), HasSubstr((folder_.path() / "file").string()));
}

// Nothing is wrong with the source: a file that the cache misses must not be told as one of the source.
TEST_F(ImagesInCache, TellWhatIsWrongWithTheCacheAsTheDisksFault) {
  MustOpen();
  fs::remove(ImageFile());
  const fs::path lock = *FilesWith(cache(), ".lock").begin();
  fs::remove(lock);
  fs::create_symlink("/nowhere/at/all", lock);
  const auto images = OpenImages(SourceAt(source()), std::nullopt, cache());
  ASSERT_FALSE(images.has_value());
  EXPECT_EQ(images.error().code, ErrorCode::kIo) << images.error().Text();
}

TEST(CacheLock, WaitsNoLongerThanItsPatience) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "lock";
  const auto first = CacheLock::Acquire(path, Duration(0));
  ASSERT_TRUE(first.has_value());
  const auto second = CacheLock::Acquire(path, Duration(0));
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::kTimeout);
  EXPECT_THAT(second.error().Text(), HasSubstr(path.string()));
}

// It would be waited for, for ever.
TEST_F(ImagesInCache, APipeInTheDataFolderIsRefused) {
  const fs::path pipe = source() / kTrainImages;
  fs::remove(pipe);
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const Result<Images> images = OpenImages(SourceAt(source()), std::nullopt, cache());
  ASSERT_FALSE(images.has_value());
  EXPECT_EQ(images.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(images.error().Text(), HasSubstr(pipe.string() + ": it is a pipe or a device, no regular file"));
}

TEST(CacheLock, IsFreeOnceItsHolderIsGone) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "lock";
  {
    const auto first = CacheLock::Acquire(path, Duration(0));
    ASSERT_TRUE(first.has_value());
  }
  EXPECT_TRUE(CacheLock::Acquire(path, Duration(0)).has_value());
}

// The real one, of Debian's package dataset-fashion-mnist, which scripts/setup.sh installs.
TEST(FashionMnist, HasItsKnownCountsAndStatistics) {
  const TemporaryFolder folder;
  const auto images = OpenImages(SourceAt("/usr/share/datasets/fashion-mnist"), std::nullopt, folder.path() / "cache");
  ASSERT_TRUE(images.has_value()) << images.error().Text();
  EXPECT_EQ(images->training_samples, 60000);
  EXPECT_EQ(images->test_samples, 10000);
  EXPECT_EQ(images->classes, 10);
  EXPECT_EQ(images->pixels.sizes(), (std::vector<int64_t>{70000, 1, 28, 28}));
  std::vector<int64_t> training(10), test(10);
  const int64_t* const labels = images->labels.const_data_ptr<int64_t>();
  for (size_t i = 0; i < 70000; ++i) ++(i < 60000 ? training : test)[static_cast<size_t>(labels[i])];
  EXPECT_THAT(training, testing::Each(6000));
  EXPECT_THAT(test, testing::Each(1000));
}

}  // namespace
}  // namespace tutti::trainer
