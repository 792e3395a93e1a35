#include "worker/trainer/data/idx.h"

#include <gmock/gmock.h>

#include "tests/support/faulty_file_system.h"
#include "tests/worker/trainer/data/idx_files.h"

namespace tutti::trainer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<DecodedImages> Decode(const std::filesystem::path& folder) {
  TUTTI_ASSIGN_OR_RETURN(const std::vector<std::filesystem::path> paths,
                         FindIdxFiles(PosixFileSystem(), SourceAt(folder)));
  std::vector<SourceFile> files;
  for (const auto& path : paths) files.push_back({path, ReadBytes(path)});
  return DecodeIdxFiles(files);
}

class Idx : public ::testing::Test {
 protected:
  Idx() { WriteSmallSource(folder_.path()); }
  std::filesystem::path At(const std::string& name) const { return folder_.path() / name; }
  void Put(const std::string& name, const std::string& bytes) const { WriteBytes(At(name), bytes); }
  void Drop(const std::string& name) const { std::filesystem::remove(At(name)); }

  // The error names the file, says what is wrong and what to do.
  void ExpectInvalid(const std::string& name, const std::string& what, const std::string& cure) const {
    const auto decoded = Decode(folder_.path());
    ASSERT_FALSE(decoded.has_value());
    EXPECT_EQ(decoded.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(decoded.error().Text(), AllOf(HasSubstr(At(name).string()), HasSubstr(what), HasSubstr(cure)));
  }

  TemporaryFolder folder_;
};

TEST_F(Idx, GivesTheTrainingPartFirstThenTheTestPart) {
  const auto decoded = Decode(folder_.path());
  ASSERT_TRUE(decoded.has_value()) << decoded.error().Text();
  EXPECT_EQ(decoded->training_samples, 6);
  EXPECT_EQ(decoded->test_samples, 2);
  EXPECT_THAT((std::vector{decoded->channels, decoded->height, decoded->width}), ElementsAre(1, 3, 4));
  EXPECT_EQ(decoded->classes, 3);
  EXPECT_THAT(decoded->labels, ElementsAre(0, 1, 2, 0, 1, 2, 2, 0));
  const std::string pixels(decoded->pixels.begin(), decoded->pixels.end());
  EXPECT_EQ(pixels, PixelRamp(72) + PixelRamp(24, 100));
}

TEST_F(Idx, ReadsGzipWithWhateverNameItHas) {
  const auto plain = Decode(folder_.path());
  Put(kTrainImages + ".gz", Gzip(ReadBytes(At(kTrainImages))));
  Drop(kTrainImages);
  Put(kTestLabels, Gzip(ReadBytes(At(kTestLabels))));  // unpacked in name only
  const auto packed = Decode(folder_.path());
  ASSERT_TRUE(packed.has_value()) << packed.error().Text();
  EXPECT_EQ(packed->pixels, plain->pixels);
  EXPECT_EQ(packed->labels, plain->labels);
}

TEST_F(Idx, ReadsGzipOfSeveralMembers) {
  const auto plain = Decode(folder_.path());
  const std::string bytes = ReadBytes(At(kTrainImages));
  Put(kTrainImages, Gzip(bytes.substr(0, 30)) + Gzip(bytes.substr(30)));
  const auto packed = Decode(folder_.path());
  ASSERT_TRUE(packed.has_value()) << packed.error().Text();
  EXPECT_EQ(packed->pixels, plain->pixels);
}

TEST_F(Idx, KnowsTheNamesWithDots) {
  std::filesystem::rename(At(kTrainImages), At("train-images.idx3-ubyte"));
  std::filesystem::rename(At(kTrainLabels), At("train-labels.idx1-ubyte"));
  EXPECT_TRUE(Decode(folder_.path()).has_value());
}

TEST_F(Idx, ReadsImagesWithChannels) {
  Drop(kTrainImages);
  Drop(kTestImages);
  Put("train-images-idx4-ubyte", IdxOf({6, 3, 2, 2}, PixelRamp(72)));
  Put("t10k-images-idx4-ubyte", IdxOf({2, 3, 2, 2}, PixelRamp(24)));
  const auto decoded = Decode(folder_.path());
  ASSERT_TRUE(decoded.has_value()) << decoded.error().Text();
  EXPECT_THAT((std::vector{decoded->channels, decoded->height, decoded->width}), ElementsAre(3, 2, 2));
}

TEST_F(Idx, DoesWithoutTestFilesWhereTheTestSplitIsNotTheSources) {
  Drop(kTestImages);
  Drop(kTestLabels);
  spec::DataSpec data = SourceAt(folder_.path());
  EXPECT_EQ(FindIdxFiles(PosixFileSystem(), data).error().code, ErrorCode::kNotFound);
  data.test = int64_t{2};
  EXPECT_EQ(FindIdxFiles(PosixFileSystem(), data)->size(), 2u);
  data.test = spec::DataSpec::NoTest{};
  EXPECT_EQ(FindIdxFiles(PosixFileSystem(), data)->size(), 2u);
}

TEST_F(Idx, NamesTheFileThatIsMissing) {
  Drop(kTestLabels);
  const auto files = FindIdxFiles(PosixFileSystem(), SourceAt(folder_.path()));
  ASSERT_FALSE(files.has_value());
  EXPECT_EQ(files.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(files.error().Text(), AllOf(HasSubstr(kTestLabels), HasSubstr(folder_.path().string())));
}

// A permanent "not found" would end for good what the next try may find.
TEST_F(Idx, TakesNothingForAbsentThatADiskOrAPermissionHides) {
  tutti::testing::FaultyFileSystem whole(PosixFileSystem());
  ASSERT_TRUE(FindIdxFiles(whole, SourceAt(folder_.path())));
  ASSERT_GT(whole.operations(), 4);
  for (int64_t operation = 1; operation <= whole.operations(); ++operation) {
    for (const ErrorCode code : {ErrorCode::kIo, ErrorCode::kDenied}) {
      tutti::testing::FaultyFileSystem disk(PosixFileSystem());
      disk.FailAt(operation, code);
      const auto files = FindIdxFiles(disk, SourceAt(folder_.path()));
      ASSERT_FALSE(files.has_value()) << operation;
      EXPECT_EQ(files.error().code, code) << operation << ": " << files.error().Text();
    }
  }
}

TEST_F(Idx, SaysThatTheFolderIsNone) {
  const auto files = FindIdxFiles(PosixFileSystem(), SourceAt(At(kTrainImages)));
  ASSERT_FALSE(files.has_value());
  EXPECT_EQ(files.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(files.error().Text(), HasSubstr("no folder"));
}

TEST_F(Idx, RefusesAFileThatIsNoIdx) {
  Put(kTrainImages, "<!DOCTYPE html><html>Not found</html>");
  ExpectInvalid(kTrainImages, "no IDX file: it begins with 0x3c21444f", "fetch the right file");
}

TEST_F(Idx, RefusesAnEmptyFile) {
  Put(kTrainImages, "");
  ExpectInvalid(kTrainImages, "cut off within its IDX header", "fetch");
}

TEST_F(Idx, RefusesValuesThatAreNoBytes) {
  Put(kTrainImages, IdxHeader({6, 3, 4}, 0x0D) + std::string(288, '\0'));
  ExpectInvalid(kTrainImages, "IDX type 0x0d", "convert them to unsigned bytes");
}

TEST_F(Idx, RefusesLabelsInThePlaceOfImages) {
  Put(kTrainImages, ReadBytes(At(kTrainLabels)));
  ExpectInvalid(kTrainImages, "1 dimensions", "exchanged?");
}

TEST_F(Idx, RefusesImagesInThePlaceOfLabels) {
  Put(kTrainLabels, ReadBytes(At(kTrainImages)));
  ExpectInvalid(kTrainLabels, "3 dimensions, labels have 1", "exchanged?");
}

TEST_F(Idx, RefusesAHeaderCutOff) {
  Put(kTrainImages, IdxHeader({6, 3, 4}).substr(0, 10));
  ExpectInvalid(kTrainImages, "cut off within its IDX header", "fetch");
}

TEST_F(Idx, RefusesValuesCutOff) {
  Put(kTrainImages, IdxOf({6, 3, 4}, PixelRamp(71)));
  ExpectInvalid(kTrainImages, "cut off: 71 bytes", "fetch");
}

TEST_F(Idx, RefusesPackedValuesCutOffBeforePacking) {
  Put(kTrainImages, Gzip(IdxOf({6, 3, 4}, PixelRamp(71))));
  ExpectInvalid(kTrainImages, "cut off: 71 bytes", "fetch");
}

TEST_F(Idx, RefusesEmptyDimensions) {
  Put(kTrainImages, IdxOf({6, 0, 4}, ""));
  ExpectInvalid(kTrainImages, "dimension 1 is 0", "fetch");
}

TEST_F(Idx, RefusesTrailingBytes) {
  Put(kTrainLabels, ReadBytes(At(kTrainLabels)) + "x");
  ExpectInvalid(kTrainLabels, "goes on after the values", "fetch");
}

TEST_F(Idx, RefusesTrailingBytesWithinGzip) {
  Put(kTrainLabels, Gzip(ReadBytes(At(kTrainLabels)) + "x"));
  ExpectInvalid(kTrainLabels, "goes on after the values", "fetch");
}

TEST_F(Idx, RefusesBytesAfterGzip) {
  Put(kTrainLabels, Gzip(ReadBytes(At(kTrainLabels))) + "xyz");
  ExpectInvalid(kTrainLabels, "3 bytes after its gzip data", "fetch");
}

TEST_F(Idx, RefusesGzipThatEndsTooEarlyWhereverItIsCut) {
  const std::string packed = Gzip(ReadBytes(At(kTrainImages)));
  for (size_t length = 2; length < packed.size(); ++length) {
    Put(kTrainImages, packed.substr(0, length));
    ExpectInvalid(kTrainImages, "cut off", "fetch");
  }
}

TEST_F(Idx, RefusesGzipWithAWrongByte) {
  std::string packed = Gzip(ReadBytes(At(kTrainImages)));
  packed[packed.size() - 6] = static_cast<char>(packed[packed.size() - 6] ^ 1);  // of the checksum
  Put(kTrainImages, packed);
  ExpectInvalid(kTrainImages, "damaged", "fetch");
}

// Sizes that overflow 64 bits or name more memory than there is must fail before anything is allocated.
TEST_F(Idx, RefusesSizesThatTheFileCannotHold) {
  Put(kTrainImages, IdxOf({0xffffffff, 0xffffffff, 0xffffffff}, "x"));
  ExpectInvalid(kTrainImages, "cut off", "fetch");
  Put(kTrainImages, Gzip(IdxOf({0x7fffffff, 0x7fff, 0x7fff}, "x")));
  ExpectInvalid(kTrainImages, "cut off", "fetch");
}

TEST_F(Idx, RefusesCountsThatDiffer) {
  Put(kTrainLabels, IdxOf({5}, std::string("\0\1\2\0\1", 5)));
  ExpectInvalid(kTrainLabels, "5 labels", "belong together");
  ExpectInvalid(kTrainImages, "6 images", "belong together");
}

TEST_F(Idx, RefusesTestImagesOfAnotherSize) {
  Put(kTestImages, IdxOf({2, 4, 3}, PixelRamp(24)));
  ExpectInvalid(kTestImages, "1x4x3", "must agree");
}

TEST_F(Idx, RefusesTestLabelsThatTrainingDoesNotKnow) {
  Put(kTestLabels, IdxOf({2}, std::string("\0\3", 2)));
  ExpectInvalid(kTestLabels, "label 3 of sample 1 is out of range", "belong together");
}

}  // namespace
}  // namespace tutti::trainer
