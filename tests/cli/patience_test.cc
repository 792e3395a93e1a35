#include "cli/patience.h"

#include <gmock/gmock.h>

namespace tutti::cli {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

const Error kSilent{ErrorCode::kUnreachable, "nobody serves", nullptr};
const Error kSlow{ErrorCode::kTimeout, "no answer within 30 s", nullptr};

TEST(Patience, BearsWithSilenceForItsWhileAndThenSaysHowLong) {
  Patience patience(seconds(60));
  const Patience::Time begin;
  EXPECT_FALSE(patience.OnError(kSilent, begin));
  EXPECT_FALSE(patience.OnError(kSlow, begin + seconds(59)));
  const auto end = patience.OnError(kSlow, begin + seconds(60));
  ASSERT_TRUE(end);
  EXPECT_EQ(end->code, ErrorCode::kTimeout);
  EXPECT_THAT(end->Text(), HasSubstr("waited 60 s in vain for an answer"));
  EXPECT_THAT(end->Text(), HasSubstr("no answer within 30 s"));
}

TEST(Patience, BeginsAnewWithEachAnswer) {
  Patience patience(seconds(60));
  const Patience::Time begin;
  EXPECT_FALSE(patience.OnError(kSilent, begin));
  patience.OnAnswer();
  EXPECT_FALSE(patience.OnError(kSilent, begin + seconds(60)));
}

TEST(Patience, HasNoneForAnAnswerThatIsAnError) {
  Patience patience(seconds(60));
  const auto end = patience.OnError({ErrorCode::kNotFound, "there is no ensemble", nullptr}, Patience::Time());
  ASSERT_TRUE(end);
  EXPECT_EQ(end->code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace tutti::cli
