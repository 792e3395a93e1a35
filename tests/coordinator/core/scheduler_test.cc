#include "coordinator/core/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tutti::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

TEST(Placer, ServesInOrderUntilNothingIsFree) {
  Placer placer({WorkerWith("n1", 3, {0, 2})});
  EXPECT_THAT(Slots(placer.Place(Gang("a", 1)).value()), ElementsAre("n1:0"));
  EXPECT_THAT(Slots(placer.Place(Gang("b", 1)).value()), ElementsAre("n1:2"));
  EXPECT_EQ(placer.Place(Gang("c", 1)).error().reason, "needs 1 slot, none is free");
}

TEST(Placer, StartsAGangOnlyWhenAllItsSlotsAreFree) {
  const std::vector<FreeSlots> cluster{WorkerWith("n1", 2, {1}, "d"), WorkerWith("n2", 1, {0}, "d")};
  EXPECT_EQ(Placer(cluster).Place(Gang("a", 3)).error().reason, "needs 3 slots at once, 2 are free");
  EXPECT_THAT(Slots(Placer(cluster).Place(Gang("a", 2)).value()), ElementsAre("n1:1", "n2:0"));
}

TEST(Placer, KeepsAGangWithinALaunchDomain) {
  EXPECT_FALSE(Placer({WorkerWith("n1", 2, {0, 1}, "left"), WorkerWith("n2", 2, {0, 1}, "right")}).Place(Gang("a", 3)));
  EXPECT_FALSE(Placer({WorkerWith("n1", 2, {0, 1}), WorkerWith("n2", 2, {0, 1})}).Place(Gang("a", 3)));
}

TEST(Placer, PrefersOneWorkerAndTheTightestFit) {
  const std::vector<FreeSlots> cluster{WorkerWith("n1", 4, {0, 1, 2, 3}, "d"), WorkerWith("n2", 4, {2, 3}, "d"),
                                       WorkerWith("n3", 4, {0}, "d")};
  EXPECT_THAT(Slots(Placer(cluster).Place(Gang("a", 2)).value()), ElementsAre("n2:2", "n2:3"));
  EXPECT_THAT(Slots(Placer(cluster).Place(Gang("a", 5)).value()), ElementsAre("n1:0", "n1:1", "n1:2", "n1:3", "n2:2"));
}

TEST(Placer, LetsNoNarrowGangStarveAWideOne) {
  Placer placer({WorkerWith("n1", 2, {0})});
  EXPECT_FALSE(placer.Place(Gang("wide", 2)));
  EXPECT_THAT(placer.Place(Gang("narrow", 1)).error().reason, HasSubstr("what comes free first is for e-1/wide"));
}

TEST(Placer, HoldsBackTheDomainOfAWaitingGangAlone) {
  Placer placer({WorkerWith("n1", 4, {0, 1, 2}, "left"), WorkerWith("n2", 2, {0}, "right")});
  EXPECT_FALSE(placer.Place(Gang("wide", 4)));
  EXPECT_THAT(Slots(placer.Place(Gang("narrow", 1)).value()), ElementsAre("n2:0"));
}

TEST(Placer, LetsAGangThatNoClusterCanHoldBlockNobody) {
  Placer placer({WorkerWith("n1", 2, {0, 1})});
  const Refusal refusal = placer.Place(Gang("huge", 8)).error();
  EXPECT_EQ(refusal.kind, Refusal::Kind::kUnfit);
  EXPECT_EQ(refusal.reason, "needs 8 slots at once, but no group of workers has more than 2");
  EXPECT_TRUE(placer.Place(Gang("narrow", 1)));
}

TEST(Placer, GivesAnElasticGangWhatIsFreeBetweenItsBounds) {
  const std::vector<FreeSlots> cluster{WorkerWith("n1", 4, {0, 1, 2})};
  EXPECT_EQ(Placer(cluster).Place(Gang("a", 1, 2)).value().size(), 2u);
  EXPECT_EQ(Placer(cluster).Place(Gang("a", 2, 8)).value().size(), 3u);
  EXPECT_FALSE(Placer(cluster).Place(Gang("a", 4, 8)));
}

TEST(Placer, SpreadsAGangOverWorkersWithDifferentSlotsTheWidestFirst) {
  const std::vector<FreeSlots> cluster{WorkerWith("n1", 1, {0}, "d"), WorkerWith("n2", 4, {1, 2, 3}, "d"),
                                       WorkerWith("n3", 2, {0, 1}, "d")};
  EXPECT_THAT(Slots(Placer(cluster).Place(Gang("a", 6)).value()),
              ElementsAre("n2:1", "n2:2", "n2:3", "n3:0", "n3:1", "n1:0"));
  EXPECT_THAT(Slots(Placer(cluster).Place(Gang("a", 3)).value()), ElementsAre("n2:1", "n2:2", "n2:3"));
}

Waiting OnOneWorker(Waiting job) {
  job.spread = spec::SlotsSpec::Spread::kOneWorker;
  return job;
}

TEST(Placer, SpreadsNoGangThatIsToStayOnOneWorker) {
  const std::vector<FreeSlots> cluster{WorkerWith("n1", 3, {0, 1}, "d"), WorkerWith("n2", 4, {3}, "d")};
  EXPECT_THAT(Slots(Placer(cluster).Place(OnOneWorker(Gang("a", 2))).value()), ElementsAre("n1:0", "n1:1"));
  EXPECT_THAT(Slots(Placer(cluster).Place(OnOneWorker(Gang("a", 1, 4))).value()), ElementsAre("n1:0", "n1:1"))
      << "an elastic one gets what one worker has";
  const Refusal waits = Placer(cluster).Place(OnOneWorker(Gang("a", 3))).error();
  EXPECT_EQ(waits.kind, Refusal::Kind::kKept);
  EXPECT_EQ(waits.reason, "needs 3 slots at once on one worker, 2 are free");
  const Refusal unfit = Placer(cluster).Place(OnOneWorker(Gang("a", 5))).error();
  EXPECT_EQ(unfit.kind, Refusal::Kind::kUnfit);
  EXPECT_EQ(unfit.reason,
            "needs 5 slots at once on one worker, but no worker has more than 4 (its experiment says spread: false)");
}

TEST(Placer, KeepsSlotsForAGangThatIsToStayOnOneWorkerWhereItCouldFit) {
  Placer placer(
      {WorkerWith("n1", 2, {0}, "left"), WorkerWith("n2", 1, {0}, "right"), WorkerWith("n3", 1, {0}, "right")});
  EXPECT_FALSE(placer.Place(OnOneWorker(Gang("wide", 2))));
  EXPECT_THAT(Slots(placer.Place(Gang("narrow", 1)).value()), ElementsAre("n2:0")) << "n1 is kept for it";
}

TEST(Placer, CountsAClosedWorkerForAGangThatIsToStayOnOne) {
  FreeSlots closed = WorkerWith("n2", 2, {0, 1}, "d");
  closed.closed = "is being drained";
  Placer placer({WorkerWith("n1", 1, {0}, "d"), closed});
  EXPECT_THAT(placer.Place(OnOneWorker(Gang("wide", 2))).error().reason, HasSubstr("n2 is being drained"));
}

TEST(Placer, GivesNothingOnWorkersThatAreClosed) {
  FreeSlots closed = WorkerWith("n2", 2, {0, 1}, "d");
  closed.closed = "is being drained";
  Placer placer({WorkerWith("n1", 1, {0}, "d"), closed});
  EXPECT_THAT(placer.Place(Gang("wide", 2)).error().reason, HasSubstr("n2 is being drained"));
  EXPECT_EQ(placer.Place(Gang("wider", 4)).error().reason,
            "needs 4 slots at once, but no group of workers has more than 3");
  EXPECT_THAT(Slots(placer.Place(Gang("narrow", 1)).value()), ElementsAre("n1:0"));
  EXPECT_FALSE(placer.Place(Gang("another", 1)));
}

TEST(Placer, AvoidsAWorkerOnlyAsLongAsAnotherHasRoom) {
  Placer placer({WorkerWith("n1", 2, {0, 1}), WorkerWith("n2", 4, {0, 1, 2, 3})});
  Waiting job = Gang("a", 2);
  job.avoids = {WorkerId("n1")};
  EXPECT_THAT(Slots(placer.Place(job).value()), ElementsAre("n2:0", "n2:1")) << "though n1 fits more tightly";
  job.minimum_slots = job.maximum_slots = 1;
  job.avoids = {WorkerId("n1"), WorkerId("n2")};
  EXPECT_TRUE(placer.Place(job));
}

Waiting Needing(Waiting job, uint64_t gigabytes) {
  job.slot_memory_bytes = gigabytes * 1'000'000'000;
  return job;
}
FreeSlots Offering(FreeSlots slots, uint64_t gigabytes) {
  slots.slot_memory_bytes = gigabytes * 1'000'000'000;
  return slots;
}

TEST(Placer, PassesOverWorkersWhoseSlotsHaveTooLittleMemory) {
  Placer placer({Offering(WorkerWith("n1", 1, {0}), 4), Offering(WorkerWith("n2", 2, {0, 1}), 8)});
  EXPECT_THAT(Slots(placer.Place(Needing(Gang("a", 1), 6)).value()), ElementsAre("n2:0"));
  EXPECT_THAT(Slots(placer.Place(Needing(Gang("b", 1), 8)).value()), ElementsAre("n2:1"));
  EXPECT_EQ(placer.Place(Needing(Gang("c", 1), 6)).error().reason, "needs 1 slot of 6 GB, none is free");
  EXPECT_THAT(Slots(placer.Place(Gang("d", 1)).value()), ElementsAre("n1:0")) << "whatever it has is enough";
}

TEST(Placer, SaysHowMuchMemoryTheLargestSlotsHave) {
  Placer placer({Offering(WorkerWith("n1", 1, {0}), 4), Offering(WorkerWith("n2", 1, {0}), 3)});
  const auto refused = placer.Place(Needing(Gang("a", 1), 6));
  EXPECT_EQ(refused.error().reason, "needs slots of 6 GB, the largest have 4 GB");
  EXPECT_EQ(refused.error().kind, Refusal::Kind::kUnfit);
  EXPECT_TRUE(placer.Place(Gang("b", 1))) << "it holds nobody back";
}

TEST(Placer, TakesUnknownMemoryForEnough) {
  EXPECT_TRUE(Placer({WorkerWith("n1", 1, {0})}).Place(Needing(Gang("a", 1), 1000)));
}

TEST(Placer, CountsForAGangOnlySlotsThatHaveItsMemory) {
  const std::vector<FreeSlots> cluster{Offering(WorkerWith("n1", 2, {0, 1}, "d"), 4),
                                       Offering(WorkerWith("n2", 2, {0, 1}, "d"), 8)};
  EXPECT_EQ(Placer(cluster).Place(Needing(Gang("a", 3), 6)).error().reason,
            "needs 3 slots of 6 GB at once, but no group of workers has more than 2");
  EXPECT_THAT(Slots(Placer(cluster).Place(Needing(Gang("a", 1, 4), 6)).value()), ElementsAre("n2:0", "n2:1"));
  EXPECT_THAT(Slots(Placer(cluster).Place(Needing(Gang("a", 3), 4)).value()), ElementsAre("n1:0", "n1:1", "n2:0"));
}

TEST(Placer, KeepsForAGangOnlySlotsThatHaveItsMemory) {
  Placer placer({Offering(WorkerWith("n1", 2, {0, 1}, "d"), 4), Offering(WorkerWith("n2", 2, {0}, "d"), 8)});
  EXPECT_EQ(placer.Place(Needing(Gang("wide", 2), 6)).error().reason, "needs 2 slots of 6 GB at once, 1 is free");
  EXPECT_FALSE(placer.Place(Needing(Gang("large", 1), 6)));
  EXPECT_FALSE(placer.exhausted());
  EXPECT_THAT(Slots(placer.Place(Gang("small", 2)).value()), ElementsAre("n1:0", "n1:1"));
  EXPECT_FALSE(placer.Place(Gang("another", 1))) << "what is left is kept";
  EXPECT_TRUE(placer.exhausted());
}

TEST(Placer, SaysThatNobodyIsConnected) {
  EXPECT_EQ(Placer({}).Place(Gang("a", 1)).error().reason, "no worker is connected");
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
