#include "common/network/secret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace tutti::network {
namespace {

namespace fs = std::filesystem;
using ::testing::Not;

class Secret : public ::testing::Test {
 protected:
  fs::path Write(const std::string& text, mode_t mode = 0600) {
    std::ofstream(file()) << text;
    ::chmod(file().c_str(), mode);
    return file();
  }
  fs::path file() const { return folder_ / "token"; }
  tutti::testing::TemporaryFolder folder_;
};

TEST_F(Secret, IsNeverTheSame) {
  EXPECT_EQ(MakeSecret().size(), 64u);
  EXPECT_NE(MakeSecret(), MakeSecret());
}

TEST_F(Secret, IsComparedWhole) {
  EXPECT_TRUE(SameSecret("abc", "abc"));
  EXPECT_FALSE(SameSecret("abc", "abd"));
  EXPECT_FALSE(SameSecret("abc", "abcabc"));
  EXPECT_FALSE(SameSecret("abcabc", "abc"));
  EXPECT_FALSE(SameSecret("", "abc"));
  EXPECT_FALSE(SameSecret("abc", ""));
}

TEST_F(Secret, IsMadeOnceAndForItsUserAlone) {
  const auto made = ReadOrMakeSecret(file());
  ASSERT_TRUE(made) << made.error().Text();
  EXPECT_EQ(ReadOrMakeSecret(file()).value(), *made);
  struct stat status {};
  ASSERT_EQ(::stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()), 1) << "no draft is left";
}

TEST_F(Secret, MayStandBetweenBlanks) {
  EXPECT_EQ(ReadSecret(Write("  0123456789abcdef\n\n")).value(), "0123456789abcdef");
}

TEST_F(Secret, ThatOthersMayReadIsNone) {
  for (const mode_t mode : {0644u, 0620u, 0604u}) {
    const auto secret = ReadSecret(Write("0123456789abcdef", mode));
    ASSERT_FALSE(secret);
    EXPECT_EQ(secret.error().code, ErrorCode::kDenied);
    EXPECT_THAT(secret.error().Text(), Not(::testing::HasSubstr("0123456789abcdef")));
  }
}

TEST_F(Secret, ThatIsNoneIsNotTaken) {
  for (const std::string text : {"", "short", "0123456789 abcdef", "0123456789\r\nX-Evil: abcdef"}) {
    const auto secret = ReadSecret(Write(text));
    ASSERT_FALSE(secret) << text;
    EXPECT_EQ(secret.error().code, ErrorCode::kInvalid);
  }
  EXPECT_FALSE(ReadSecret(Write(std::string(10'000, 'x'))));
  EXPECT_EQ(ReadSecret(folder_ / "none").error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(ReadSecret(folder_.path())) << "a folder";
}

}  // namespace
}  // namespace tutti::network
