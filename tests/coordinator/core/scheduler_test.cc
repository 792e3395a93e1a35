#include "coordinator/core/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tutti::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const EnsembleId kEnsemble("e-1");

Waiting Gang(const std::string& name, int minimum, int maximum = 0) {
  return {{kEnsemble, name}, minimum, maximum == 0 ? minimum : maximum};
}

FreeSlots WorkerWith(const std::string& name, int total, std::vector<int> free, const std::string& domain = "") {
  return {WorkerId(name), domain, total, std::move(free)};
}

std::vector<std::string> Slots(const std::vector<SlotId>& gang) {
  std::vector<std::string> slots;
  for (const SlotId& slot : gang) slots.push_back(slot.str());
  return slots;
}

TEST(PlaceJobs, ServesInOrderUntilNothingIsFree) {
  const Schedule schedule = PlaceJobs({Gang("a", 1), Gang("b", 1), Gang("c", 1)}, {WorkerWith("n1", 3, {0, 2})});
  ASSERT_EQ(schedule.placements.size(), 2u);
  EXPECT_EQ(schedule.placements[0].job.name, "a");
  EXPECT_THAT(Slots(schedule.placements[0].gang), ElementsAre("n1:0"));
  EXPECT_THAT(Slots(schedule.placements[1].gang), ElementsAre("n1:2"));
  ASSERT_EQ(schedule.held.size(), 1u);
  EXPECT_EQ(schedule.held[0].reason, "needs 1 slot, none is free");
}

TEST(PlaceJobs, AGangStartsOnlyWhenAllItsSlotsAreFree) {
  const std::vector<FreeSlots> cluster{WorkerWith("n1", 2, {1}, "d"), WorkerWith("n2", 1, {0}, "d")};
  const Schedule three = PlaceJobs({Gang("a", 3)}, cluster);
  EXPECT_THAT(three.placements, IsEmpty());
  EXPECT_EQ(three.held.at(0).reason, "needs 3 slots at once, 2 are free");
  EXPECT_THAT(Slots(PlaceJobs({Gang("a", 2)}, cluster).placements.at(0).gang), ElementsAre("n1:1", "n2:0"));
}

TEST(PlaceJobs, AGangStaysWithinALaunchDomain) {
  const std::vector<FreeSlots> cluster{WorkerWith("n1", 2, {0, 1}, "left"), WorkerWith("n2", 2, {0, 1}, "right")};
  EXPECT_THAT(PlaceJobs({Gang("a", 3)}, cluster).placements, IsEmpty());
  const std::vector<FreeSlots> nameless{WorkerWith("n1", 2, {0, 1}), WorkerWith("n2", 2, {0, 1})};
  EXPECT_THAT(PlaceJobs({Gang("a", 3)}, nameless).placements, IsEmpty());
}

TEST(PlaceJobs, PrefersOneWorkerAndTheTightestFit) {
  const std::vector<FreeSlots> cluster{WorkerWith("n1", 4, {0, 1, 2, 3}, "d"), WorkerWith("n2", 4, {2, 3}, "d"),
                                       WorkerWith("n3", 4, {0}, "d")};
  EXPECT_THAT(Slots(PlaceJobs({Gang("a", 2)}, cluster).placements.at(0).gang), ElementsAre("n2:2", "n2:3"));
  EXPECT_THAT(Slots(PlaceJobs({Gang("a", 5)}, cluster).placements.at(0).gang),
              ElementsAre("n1:0", "n1:1", "n1:2", "n1:3", "n2:2"));
}

TEST(PlaceJobs, WideGangIsNotStarvedByNarrowOnes) {
  const Schedule schedule = PlaceJobs({Gang("wide", 2), Gang("narrow", 1)}, {WorkerWith("n1", 2, {0})});
  EXPECT_THAT(schedule.placements, IsEmpty());
  EXPECT_THAT(schedule.held.at(1).reason, HasSubstr("what comes free first is for e-1/wide"));
}

TEST(PlaceJobs, AWaitingGangHoldsBackItsOwnDomainAlone) {
  const Schedule schedule = PlaceJobs({Gang("wide", 4), Gang("narrow", 1)},
                                      {WorkerWith("n1", 4, {0, 1, 2}, "left"), WorkerWith("n2", 2, {0}, "right")});
  ASSERT_EQ(schedule.placements.size(), 1u);
  EXPECT_THAT(Slots(schedule.placements[0].gang), ElementsAre("n2:0"));
}

TEST(PlaceJobs, AGangThatNoClusterCanHoldBlocksNobody) {
  const Schedule schedule = PlaceJobs({Gang("huge", 8), Gang("narrow", 1)}, {WorkerWith("n1", 2, {0, 1})});
  ASSERT_EQ(schedule.placements.size(), 1u);
  EXPECT_EQ(schedule.placements[0].job.name, "narrow");
  EXPECT_EQ(schedule.held.at(0).reason, "needs 8 slots at once, but no group of workers has more than 2");
}

TEST(PlaceJobs, AnElasticGangTakesWhatIsFreeBetweenItsBounds) {
  const std::vector<FreeSlots> cluster{WorkerWith("n1", 4, {0, 1, 2})};
  EXPECT_EQ(PlaceJobs({Gang("a", 1, 2)}, cluster).placements.at(0).gang.size(), 2u);
  EXPECT_EQ(PlaceJobs({Gang("a", 2, 8)}, cluster).placements.at(0).gang.size(), 3u);
  EXPECT_THAT(PlaceJobs({Gang("a", 4, 8)}, cluster).placements, IsEmpty());
}

TEST(PlaceJobs, SaysThatNobodyHasJoined) {
  EXPECT_EQ(PlaceJobs({Gang("a", 1)}, {}).held.at(0).reason, "no worker has joined");
}

TEST(Placer, IsExhaustedOnceNothingIsLeftForAnyone) {
  Placer placer({WorkerWith("n1", 2, {0, 1})});
  EXPECT_FALSE(placer.exhausted());
  ASSERT_TRUE(placer.Place(Gang("a", 1)));
  EXPECT_FALSE(placer.Place(Gang("b", 2)));  // keeps the other slot
  EXPECT_TRUE(placer.exhausted());
  EXPECT_FALSE(placer.Place(Gang("c", 1)));
}

}  // namespace
}  // namespace tutti::core
