// Files that were changed at random: each is refused or read within its bounds, and never more than that.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

#include "tests/common/tensors/files.h"

namespace tutti::tensors {
namespace {

constexpr int kMutants = 20'000;

std::string Original() {
  const std::vector<float> floats(12, 1.0F);
  const std::vector<int64_t> numbers(5, 7);
  MemoryFile file;
  const std::vector<NamedTensor> tensors = {{"numbers", ViewOf<int64_t>(DType::kI64, {5}, numbers)},
                                            {"conv1.weight", ViewOf<float>(DType::kF32, {3, 4}, floats)},
                                            {"none", ViewOf<float>(DType::kF32, {0, 4}, {})}};
  EXPECT_TRUE(WriteSafetensors(file, tensors, {{"format", "pt"}}));
  return file.contents();
}

// Pieces that turn a header into another that is nearly right.
constexpr auto kPieces = std::to_array<std::string_view>({"\"",
                                                          "{",
                                                          "}",
                                                          "[",
                                                          "]",
                                                          ",",
                                                          ":",
                                                          "0",
                                                          "-1",
                                                          "40",
                                                          "18446744073709551615",
                                                          "18446744073709551616",
                                                          "1e3",
                                                          "null",
                                                          "\"dtype\":\"F32\"",
                                                          "\"F64\"",
                                                          "\"shape\":[]",
                                                          "\"data_offsets\":[0,40]",
                                                          "\"__metadata__\":",
                                                          "\\u0000",
                                                          "\xc3"});

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  std::string Mutate(std::string bytes) {
    for (uint64_t changes = 1 + random_() % 4; changes > 0 && !bytes.empty(); --changes) {
      const size_t at = random_() % bytes.size();
      const std::string_view piece = kPieces[random_() % kPieces.size()];
      switch (random_() % 6) {
        case 0:
          bytes[at] = static_cast<char>(random_());
          break;
        case 1:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random_() % 8));
          break;
        case 2:
          bytes.insert(at, piece);
          break;
        case 3:
          bytes.replace(at, std::min(piece.size(), bytes.size() - at), piece);
          break;
        case 4:
          bytes.erase(at, 1 + random_() % 8);
          break;
        default:
          bytes.resize(at);
          break;
      }
      if (random_() % 2 == 0) RepairLength(bytes);
    }
    return bytes;
  }

 private:
  // So that the change of the header is looked at, not only its wrong length.
  static void RepairLength(std::string& bytes) {
    const size_t end = bytes.rfind('}');
    if (bytes.size() > 8 && end != std::string::npos && end >= 8) bytes.replace(0, 8, LittleEndian(end - 7));
  }

  std::mt19937_64 random_;
};

uint64_t ReadAll(const TensorFile& file) {
  uint64_t sum = 0;
  for (const std::string& name : file.names()) {
    const TensorView view = file.Get(name).value();
    EXPECT_EQ(static_cast<uint64_t>(view.elements()) * SizeBytes(view.dtype), view.bytes.size());
    for (const std::byte byte : view.bytes) sum += static_cast<uint64_t>(byte);
  }
  return sum;
}

TEST(TensorFileFuzz, AChangedFileIsRefusedOrReadWithinItsBounds) {
  const std::string original = Original();
  Mutator mutator(20'260'301);
  int accepted = 0, refused = 0;
  for (int i = 0; i < kMutants; ++i) {
    const std::string bytes = mutator.Mutate(original);
    const auto file = TensorFile::Parse(bytes);
    if (file) {
      ++accepted;
      uint64_t total = 0;
      for (const std::string& name : file->names()) total += file->Get(name)->bytes.size();
      EXPECT_LT(total, bytes.size());
      EXPECT_GE(ReadAll(*file), 0U);
    } else {
      ++refused;
      EXPECT_EQ(file.error().code, ErrorCode::kCorrupt) << file.error().Text();
    }
  }
  EXPECT_GT(refused, kMutants / 2);
  EXPECT_GT(accepted, kMutants / 100) << "changes of the data alone are none of the reader's business";
}

TEST(TensorFileFuzz, EveryCutOfAFileIsRefused) {
  const std::string original = Original();
  ASSERT_TRUE(TensorFile::Parse(original));
  for (size_t length = 0; length < original.size(); ++length) {
    EXPECT_FALSE(TensorFile::Parse(original.substr(0, length))) << length;
  }
}

}  // namespace
}  // namespace tutti::tensors
