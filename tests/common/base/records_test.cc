#include "common/records.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace tutti {
namespace {

template <typename Enum>
void ExpectNamesRoundTrip(Enum last) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    const auto value = static_cast<Enum>(i);
    names.insert(Name(value));
    const auto parsed = ParseName<Enum>(Name(value));
    ASSERT_TRUE(parsed) << Name(value);
    EXPECT_EQ(*parsed, value);
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(last) + 1) << "two values share a name";
  for (const std::string_view wrong : {"", "Running", "nothing"}) {
    EXPECT_EQ(ParseName<Enum>(wrong).error().code, ErrorCode::kInvalid);
  }
}

TEST(Names, OfEveryStateRoundTrip) {
  ExpectNamesRoundTrip(EnsembleState::kRemoving);
  ExpectNamesRoundTrip(JobKind::kEvaluate);
  ExpectNamesRoundTrip(JobState::kStopped);
  ExpectNamesRoundTrip(AttemptState::kEnded);
  ExpectNamesRoundTrip(CheckpointState::kDeleting);
  ExpectNamesRoundTrip(Split::kTest);
}

TEST(Names, AreThoseThatAreStoredAndShown) {
  EXPECT_EQ(Name(EnsembleState::kIncomplete), "incomplete");
  EXPECT_EQ(Name(JobKind::kTrain), "train");
  EXPECT_EQ(Name(AttemptState::kGranted), "granted");
  EXPECT_EQ(Name(Split::kValidation), "validation");
}

}  // namespace
}  // namespace tutti
