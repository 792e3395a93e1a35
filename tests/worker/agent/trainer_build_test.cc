#include "worker/agent/trainer_build.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace tutti::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class AskTrainerTest : public ::testing::Test {
 protected:
  std::filesystem::path Trainer(const std::string& script) const {
    const std::filesystem::path path = folder_ / "trainer";
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }
  tutti::testing::TemporaryFolder folder_;
};

TEST_F(AskTrainerTest, LearnsWhatItTrainsOn) {
  const auto build = AskTrainer(Trainer(R"(test "$1" = --build || exit 64
echo "a library's greeting" >&2
echo '{"version":"0.1.0","libtorch":"2.13.0","cuda":13000,"devices":["cpu","cuda"]}')"));
  ASSERT_TRUE(build) << build.error().Text();
  EXPECT_EQ(build->libtorch, "2.13.0");
  EXPECT_EQ(build->cuda, 13000);
  EXPECT_THAT(build->devices, ElementsAre("cpu", "cuda"));
  EXPECT_TRUE(build->TrainsOn("cuda"));
}

TEST_F(AskTrainerTest, RefusesWhatIsNoTrainerOfThisRelease) {
  const auto other = AskTrainer(Trainer("echo Usage; exit 64"));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(other.error().message, HasSubstr("exit code 64"));
  EXPECT_FALSE(AskTrainer(Trainer(R"(echo '{"version":"0.1.0","cuda":null}')")));
  EXPECT_EQ(AskTrainer(folder_ / "nowhere").error().code, ErrorCode::kNotFound);
}

TEST_F(AskTrainerTest, DoesNotWaitForEver) {
  const auto hung = AskTrainer(Trainer("sleep 600"), std::chrono::milliseconds(100));
  ASSERT_FALSE(hung);
  EXPECT_EQ(hung.error().code, ErrorCode::kTimeout);
}

TEST(FormatCuda, IsHowPeopleWriteIt) {
  EXPECT_EQ(FormatCuda(12040), "12.4");
  EXPECT_EQ(FormatCuda(13000), "13.0");
}

}  // namespace
}  // namespace tutti::worker
