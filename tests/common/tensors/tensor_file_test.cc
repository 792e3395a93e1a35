#include "common/tensors/tensor_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "common/json.h"
#include "tests/common/tensors/files.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace tutti::tensors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Written(const std::vector<NamedTensor>& tensors, const Metadata& metadata = {}) {
  MemoryFile file;
  const auto written = WriteSafetensors(file, tensors, metadata);
  EXPECT_TRUE(written) << written.error().Text();
  return file.contents();
}

std::string HeaderOf(const std::string& file) {
  return file.substr(8, static_cast<size_t>(static_cast<unsigned char>(file[0])) +
                            256 * static_cast<size_t>(static_cast<unsigned char>(file[1])));
}

const std::vector<float> kFloats = {1.5F, -2.0F, 3.25F, 0.0F, std::numeric_limits<float>::infinity(), 1e-45F};
const std::vector<int64_t> kIds = {-1, std::numeric_limits<int64_t>::max()};
const std::vector<uint8_t> kBytes = {0, 127, 255};

std::vector<NamedTensor> ThreeTensors() {
  return {{"ids", ViewOf<int64_t>(DType::kI64, {2}, kIds)},
          {"fc.weight", ViewOf<float>(DType::kF32, {2, 3}, kFloats)},
          {"pixels", ViewOf<uint8_t>(DType::kU8, {3, 1, 1}, kBytes)}};
}

TEST(TensorFile, HoldsWhatWasWritten) {
  const auto file = TensorFile::Parse(Written(ThreeTensors(), {{"format", "pt"}, {"step", "4290"}}));
  ASSERT_TRUE(file) << file.error().Text();
  EXPECT_THAT(file->names(), ElementsAre("ids", "fc.weight", "pixels"));
  EXPECT_EQ(file->metadata(), (Metadata{{"format", "pt"}, {"step", "4290"}}));
  const TensorView weight = file->Get("fc.weight").value();
  EXPECT_EQ(weight.dtype, DType::kF32);
  EXPECT_THAT(weight.shape, ElementsAre(2, 3));
  EXPECT_EQ(weight.elements(), 6);
  EXPECT_TRUE(std::equal(kFloats.begin(), kFloats.end(), weight.As<float>().begin()));
  EXPECT_TRUE(std::equal(kIds.begin(), kIds.end(), file->Get("ids")->As<int64_t>().begin()));
  EXPECT_TRUE(std::equal(kBytes.begin(), kBytes.end(), file->Get("pixels")->As<uint8_t>().begin()));
}

TEST(TensorFile, IsTheFormatThatOthersRead) {
  const std::string file = Written({{"a", ViewOf<float>(DType::kF32, {3}, std::span(kFloats).first(3))}});
  const std::string header = HeaderOf(file);
  EXPECT_EQ(Json::parse(header), Json::parse(R"({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}})"));
  EXPECT_EQ(header.size() % 8, 0U) << "the data begins at a multiple of 8";
  EXPECT_EQ(header[0], '{');
  EXPECT_EQ(file.size(), 8 + header.size() + 12);
}

TEST(TensorFile, ScalarsAndEmptyArraysAndEmptyFilesAreFine) {
  const float scalar = 0.5F;
  const auto file = TensorFile::Parse(Written({{"none", ViewOf<float>(DType::kF32, {0, 5}, {})},
                                               {"scalar", ViewOf<float>(DType::kF32, {}, std::span(&scalar, 1))},
                                               {"last", ViewOf<float>(DType::kF32, {0}, {})}}));
  ASSERT_TRUE(file) << file.error().Text();
  EXPECT_EQ(file->Get("none")->elements(), 0);
  EXPECT_EQ(file->Get("scalar")->elements(), 1);
  EXPECT_EQ(file->Get("scalar")->As<float>()[0], 0.5F);

  const auto empty = TensorFile::Parse(Written({}));
  ASSERT_TRUE(empty) << empty.error().Text();
  EXPECT_THAT(empty->names(), IsEmpty());
}

TEST(TensorFile, ViewsOutliveAMove) {
  auto file = TensorFile::Parse(Written(ThreeTensors())).value();
  const TensorView view = file.Get("fc.weight").value();
  const TensorFile moved = std::move(file);
  EXPECT_EQ(view.As<float>()[2], 3.25F);
  EXPECT_EQ(moved.Get("fc.weight")->bytes.data(), view.bytes.data());
}

TEST(TensorFile, ArraysAtOddPlacesCanStillBeReadAsTheirElements) {
  std::string file = FileOf(R"({"b": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},)"
                            R"( "f": {"dtype": "F64", "shape": [1], "data_offsets": [1, 9]}})",
                            1);
  const double value = 2.5;
  file.append(reinterpret_cast<const char*>(&value), sizeof(value));
  const auto parsed = TensorFile::Parse(file);
  ASSERT_TRUE(parsed) << parsed.error().Text();
  const TensorView view = parsed->Get("f").value();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(view.bytes.data()) % alignof(double), 0U);
  EXPECT_EQ(view.As<double>()[0], 2.5);
}

TEST(TensorFile, NamesAreInTheOrderOfTheirDataNotOfTheHeader) {
  const auto file = TensorFile::Parse(FileOf(R"({"second": {"dtype": "U8", "shape": [2], "data_offsets": [1, 3]},)"
                                             R"( "first": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})",
                                             3));
  ASSERT_TRUE(file) << file.error().Text();
  EXPECT_THAT(file->names(), ElementsAre("first", "second"));
}

TEST(TensorFile, EveryTypeHasItsNameAndSize) {
  const std::vector<std::pair<std::string, size_t>> types = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"I16", 2},
                                                             {"I32", 4},  {"I64", 8}, {"F16", 2}, {"BF16", 2},
                                                             {"F32", 4},  {"F64", 8}};
  for (const auto& [name, size_bytes] : types) {
    const auto file = TensorFile::Parse(FileOf(
        fmt::format(R"({{"a": {{"dtype": "{}", "shape": [3], "data_offsets": [0, {}]}}}})", name, 3 * size_bytes),
        3 * size_bytes));
    ASSERT_TRUE(file) << name << ": " << file.error().Text();
    EXPECT_EQ(Name(file->Get("a")->dtype), name);
    EXPECT_EQ(SizeBytes(file->Get("a")->dtype), size_bytes);
  }
}

TEST(TensorFile, GetChecksTypeAndShape) {
  const auto file = TensorFile::Parse(Written(ThreeTensors())).value();
  const auto get = [&](DType dtype, std::vector<int64_t> shape) { return file.Get("fc.weight", dtype, shape); };
  EXPECT_TRUE(get(DType::kF32, {2, 3}));
  EXPECT_TRUE(get(DType::kF32, {-1, 3})) << "-1 is any size";
  EXPECT_EQ(get(DType::kF64, {2, 3}).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(get(DType::kF32, {3, 2}).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(get(DType::kF32, {6}).error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(get(DType::kF32, {-1, 4}).error().message, HasSubstr("[2, 3], not [-1, 4]"));
  EXPECT_EQ(file.Get("fc.bias").error().code, ErrorCode::kNotFound);
}

TEST(WriteSafetensors, RefusesNamesThatNoReaderTakes) {
  const auto refused = [](const std::vector<std::string>& names) {
    std::vector<NamedTensor> tensors;
    for (const auto& name : names) tensors.push_back({name, ViewOf<uint8_t>(DType::kU8, {0}, {})});
    MemoryFile file;
    const auto written = WriteSafetensors(file, tensors);
    return !written && written.error().code == ErrorCode::kInvalid && file.contents().empty();
  };
  EXPECT_TRUE(refused({"a", "a"}));
  EXPECT_TRUE(refused({"__metadata__"}));
  EXPECT_TRUE(refused({"\xff"}));
  EXPECT_FALSE(refused({"a", "b"}));
}

TEST(WriteSafetensors, TellsAFullDisk) {
  const testing::TemporaryFolder folder;
  testing::FaultyFileSystem files(PosixFileSystem());
  files.CutShortAt(3, ErrorCode::kNoSpace);  // created, the header, the first array
  auto file = files.Create(folder / "model.safetensors").value();
  EXPECT_EQ(WriteSafetensors(*file, ThreeTensors()).error().code, ErrorCode::kNoSpace);
  const auto read = TensorFile::Read(PosixFileSystem(), folder / "model.safetensors");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(read.error().Text(), HasSubstr("model.safetensors"));
}

TEST(TensorFile, ReadingTellsTheFileThatIsNotThere) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(TensorFile::Read(PosixFileSystem(), folder / "none").error().code, ErrorCode::kNotFound);
}

// ---- files that want to do harm ----

struct Hostile {
  std::string what;
  std::string file;
};
void PrintTo(const Hostile& hostile, std::ostream* out) { *out << hostile.what; }

std::string Entry(const std::string& shape, const std::string& offsets, const std::string& dtype = "F32") {
  return fmt::format(R"({{"dtype": "{}", "shape": {}, "data_offsets": {}}})", dtype, shape, offsets);
}
std::string One(const std::string& shape, const std::string& offsets, size_t data_bytes) {
  return FileOf(R"({"a": )" + Entry(shape, offsets) + "}", data_bytes);
}
std::string Two(const std::string& first, const std::string& second, size_t data_bytes) {
  return FileOf(R"({"a": )" + first + R"(, "b": )" + second + "}", data_bytes);
}

class HostileFile : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostileFile, IsRefused) {
  const auto file = TensorFile::Parse(GetParam().file);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(file.error().message.empty());
}

INSTANTIATE_TEST_SUITE_P(
    TensorFile, HostileFile,
    ::testing::Values(
        Hostile{"nothing", ""}, Hostile{"less than a length", "1234567"}, Hostile{"no header", LittleEndian(0)},
        Hostile{"a header longer than the file", LittleEndian(100) + "{}"},
        Hostile{"a header length that overflows", LittleEndian(UINT64_MAX) + "{}"},
        Hostile{"a header of 100 MB and one byte", LittleEndian(100'000'001) + "{}"},
        Hostile{"a header that begins with a space", FileOf(" {}", 0)}, Hostile{"a list", FileOf("[]", 0)},
        Hostile{"no JSON", FileOf("{\"a\"", 0)}, Hostile{"JSON and more", FileOf("{} {}", 0)},
        Hostile{"text that is not UTF-8", FileOf("{\"\xff\": 1}", 0)},
        Hostile{"a number for an array", FileOf(R"({"a": 1})", 0)},
        Hostile{"a list nested a million deep", FileOf("{\"a\": " + std::string(1'000'000, '['), 0)},
        Hostile{"objects nested deep", FileOf(R"({"a": {"dtype": {"b": {"c": 1}}}})", 0)},
        Hostile{"data without header", FileOf("{}", 1)},
        Hostile{"an unknown type", FileOf(R"({"a": )" + Entry("[1]", "[0, 4]", "F33") + "}", 4)},
        Hostile{"no type", FileOf(R"({"a": {"shape": [1], "data_offsets": [0, 4]}})", 4)},
        Hostile{"no shape", FileOf(R"({"a": {"dtype": "F32", "data_offsets": [0, 4]}})", 4)},
        Hostile{"no offsets", FileOf(R"({"a": {"dtype": "F32", "shape": [1]}})", 4)},
        Hostile{"an unknown key",
                FileOf(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "x": "y"}})", 4)},
        Hostile{"two shapes",
                FileOf(R"({"a": {"dtype": "F32", "shape": [1], "shape": [1], "data_offsets": [0, 4]}})", 4)},
        Hostile{"two types",
                FileOf(R"({"a": {"dtype": "F32", "dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})", 4)},
        Hostile{"the same name twice",
                FileOf(R"({"a": )" + Entry("[1]", "[0, 4]") + R"(, "a": )" + Entry("[1]", "[4, 8]") + "}", 8)},
        Hostile{"one offset", One("[1]", "[4]", 4)}, Hostile{"three offsets", One("[1]", "[0, 4, 4]", 4)},
        Hostile{"offsets backwards", One("[1]", "[4, 0]", 4)}, Hostile{"a negative offset", One("[1]", "[-4, 0]", 4)},
        Hostile{"a fractional offset", One("[1]", "[0, 4.0]", 4)},
        Hostile{"offsets beyond the end", One("[2]", "[0, 8]", 4)},
        Hostile{"offsets that overflow", One("[1]", "[18446744073709551612, 18446744073709551616]", 4)},
        Hostile{"offsets near the top", One("[1]", "[18446744073709551611, 18446744073709551615]", 4)},
        Hostile{"a shape too large for its bytes", One("[2]", "[0, 4]", 4)},
        Hostile{"a shape too small for its bytes", One("[1]", "[0, 8]", 8)},
        Hostile{"a negative dimension", One("[-1]", "[0, 4]", 4)},
        Hostile{"a shape that overflows to what fits", One("[4611686018427387905]", "[0, 4]", 4)},
        Hostile{"a shape that overflows in two steps", One("[4294967296, 4294967296, 1]", "[0, 0]", 0)},
        Hostile{"a shape that overflows and has a zero",
                One("[9223372036854775807, 9223372036854775807, 0]", "[0, 0]", 0)},
        Hostile{"a dimension beyond our integers", One("[0, 9223372036854775808]", "[0, 0]", 0)},
        Hostile{"a shape nested", One("[[1]]", "[0, 4]", 4)},
        Hostile{"a shape of a thousand ones", One(
                                                  "[1" +
                                                      [] {
                                                        std::string ones;
                                                        for (int i = 0; i < 1000; ++i) ones += ", 1";
                                                        return ones;
                                                      }() +
                                                      "]",
                                                  "[0, 4]", 4)},
        Hostile{"a hole at the start", One("[1]", "[4, 8]", 8)}, Hostile{"a hole at the end", One("[1]", "[0, 4]", 8)},
        Hostile{"a hole between", Two(Entry("[1]", "[0, 4]"), Entry("[1]", "[8, 12]"), 12)},
        Hostile{"an overlap", Two(Entry("[2]", "[0, 8]"), Entry("[2]", "[4, 12]"), 12)},
        Hostile{"the same bytes twice", Two(Entry("[1]", "[0, 4]"), Entry("[1]", "[0, 4]"), 4)},
        Hostile{"metadata that is no text", FileOf(R"({"__metadata__": {"a": 1}})", 0)},
        Hostile{"metadata that is a list", FileOf(R"({"__metadata__": []})", 0)},
        Hostile{"metadata twice", FileOf(R"({"__metadata__": {}, "__metadata__": {}})", 0)},
        Hostile{"a metadata key twice", FileOf(R"({"__metadata__": {"a": "b", "a": "c"}})", 0)}));

// ---- by its header alone ----

TEST(CheckSafetensors, SaysOfEachFileWhatReadingItWould) {
  const testing::TemporaryFolder folder;
  const std::string entry = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  for (const std::string& content :
       {Written(ThreeTensors()), Written({}), FileOf(entry, 8), FileOf(entry, 7), FileOf(entry, 9), std::string(),
        std::string("1234567"), LittleEndian(1000) + entry, LittleEndian(200'000'000) + entry, FileOf("[]", 0)}) {
    const auto path = folder / "file";
    ASSERT_TRUE(WriteFileDurably(PosixFileSystem(), path, content));
    const auto whole = TensorFile::Parse(content);
    const auto checked = CheckSafetensors(PosixFileSystem(), path);
    ASSERT_EQ(checked.has_value(), whole.has_value()) << content.size();
    EXPECT_EQ(checked ? "" : checked.error().Text(), whole ? "" : whole.error().Text());
  }
  EXPECT_EQ(CheckSafetensors(PosixFileSystem(), folder / "none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(CheckSafetensors(PosixFileSystem(), folder.path()).error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace tutti::tensors
