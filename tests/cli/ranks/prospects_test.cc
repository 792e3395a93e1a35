#include "cli/ranks/prospects.h"

#include <gmock/gmock.h>

namespace tutti::cli {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

constexpr Prospects::Time kBegin{};

spec::EnsembleSpec OneGangOf(int slots) {
  spec::EnsembleSpec spec;
  spec.members.emplace_back();
  spec.members[0].name = "m1";
  spec.members[0].slots = {slots, slots};
  return spec;
}

EnsembleDocument In(const std::string& state) {
  EnsembleDocument document;
  document.members.emplace_back();
  document.members[0].name = "m1";
  document.members[0].state = state;
  return document;
}

std::vector<WorkerDocument> Workers(int count) {
  std::vector<WorkerDocument> workers(static_cast<size_t>(count));
  for (WorkerDocument& worker : workers) worker.slots = 1;
  return workers;
}

const std::vector<Lender> kThree(3, Lender{"launch-1", 1, 0});

TEST(Prospects, EndWhenWhatWaitsIsWiderThanWhatIsLeft) {
  Prospects prospects(OneGangOf(3), kThree);
  EXPECT_FALSE(prospects.Look(In("running"), Workers(3), kBegin));
  EXPECT_FALSE(prospects.Look(In("waiting"), Workers(2), kBegin + seconds(1))) << "it may have been there just now";
  const auto error = prospects.Look(In("waiting"), Workers(2), kBegin + seconds(12));
  ASSERT_TRUE(error);
  EXPECT_THAT(error->message, HasSubstr("m1 needs 3 slots at once"));
  EXPECT_THAT(error->message, HasSubstr("2 slots are left"));
}

TEST(Prospects, AreGoodAsLongAsSomethingFits) {
  Prospects prospects(OneGangOf(2), kThree);
  for (const int second : {0, 20, 400}) {
    EXPECT_FALSE(prospects.Look(In("waiting"), Workers(2), kBegin + seconds(second)));
  }
}

TEST(Prospects, AreGoodAgainWhenAWorkerIsBack) {
  Prospects prospects(OneGangOf(3), kThree);
  EXPECT_FALSE(prospects.Look(In("waiting"), Workers(3), kBegin));
  EXPECT_FALSE(prospects.Look(In("waiting"), Workers(2), kBegin + seconds(1)));
  EXPECT_FALSE(prospects.Look(In("waiting"), Workers(3), kBegin + seconds(9)));
  EXPECT_FALSE(prospects.Look(In("waiting"), Workers(2), kBegin + seconds(12))) << "ten seconds from then on";
}

TEST(Prospects, WaitForThoseWhoHaveNotComeYet) {
  Prospects prospects(OneGangOf(3), kThree);
  EXPECT_FALSE(prospects.Look(In("waiting"), Workers(1), kBegin));
  EXPECT_FALSE(prospects.Look(In("waiting"), Workers(1), kBegin + seconds(80)));
  EXPECT_FALSE(prospects.Look(In("waiting"), Workers(1), kBegin + seconds(95)));
  EXPECT_TRUE(prospects.Look(In("waiting"), Workers(1), kBegin + seconds(106))) << "but not for ever";
}

TEST(Prospects, AreNotJudgedWhereMembersStayOnTheirMachines) {
  Prospects prospects(OneGangOf(3), {{"n1", 3, 0}, {"n2", 3, 0}});
  EXPECT_FALSE(prospects.Look(In("waiting"), Workers(2), kBegin));
  EXPECT_FALSE(prospects.Look(In("waiting"), Workers(2), kBegin + seconds(200)));
}

}  // namespace
}  // namespace tutti::cli
