#include "common/network/sha256.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace tutti::network {
namespace {

std::string HashOf(const std::string& text) {
  Sha256 hash;
  hash.Update(std::as_bytes(std::span(text)));
  return hash.Digest();
}

// The examples of FIPS 180-4.
TEST(Sha256, IsThatOfTheStandard) {
  EXPECT_EQ(HashOf(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(HashOf("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, OfAFileIsThatOfItsPiecesTogether) {
  const testing::TemporaryFolder folder;
  const std::string text(3'000'000, 'x');
  std::ofstream(folder / "file") << text;
  std::string seen;
  const auto hash = Sha256OfFile(PosixFileSystem(), folder / "file", [&](std::span<const std::byte> piece) {
    seen.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return Result<void>();
  });
  EXPECT_EQ(hash.value(), HashOf(text));
  EXPECT_EQ(seen, text);
}

TEST(Sha256, OfWhatIsNotThereIsAnError) {
  EXPECT_EQ(Sha256OfFile(PosixFileSystem(), "/no/such/file").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(Sha256OfFile(PosixFileSystem(), "/tmp").error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace tutti::network
