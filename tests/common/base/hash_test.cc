#include "common/hash.h"

#include <gtest/gtest.h>

#include <span>

namespace tutti {
namespace {

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// Values of xxHash's own program (`xxhsum -H2`): whoever else checks our files gets the same.
TEST(HashText, IsXxh3Of128Bits) {
  EXPECT_EQ(HashText(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(HashText("a").size(), 32U);
  EXPECT_NE(HashText("a"), HashText("b"));
}

TEST(Hasher, OfPiecesEqualsThatOfTheWholeHoweverItIsCut) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text.push_back(static_cast<char>(i * 31 % 251));
  for (const size_t cut : {size_t{0}, size_t{1}, size_t{239}, size_t{240}, size_t{241}, size_t{1024}, text.size()}) {
    Hasher hasher;
    hasher.Update(Bytes(std::string_view(text).substr(0, cut)));
    hasher.Update(Bytes(std::string_view(text).substr(cut)));
    EXPECT_EQ(hasher.Digest(), HashText(text)) << cut;
  }
}

TEST(Hasher, GoesOnAfterADigestAndAMove) {
  Hasher hasher;
  hasher.Update(Bytes("ab"));
  EXPECT_EQ(hasher.Digest(), HashText("ab"));
  Hasher moved = std::move(hasher);
  moved.Update(Bytes("cd"));
  EXPECT_EQ(moved.Digest(), HashText("abcd"));
}

}  // namespace
}  // namespace tutti
