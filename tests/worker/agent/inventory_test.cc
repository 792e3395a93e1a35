#include "worker/agent/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tutti::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

CpuLimits EightCpus() { return {{0, 1, 2, 3, 4, 5, 6, 7}, {}, {}}; }

TEST(Inventory, HasASlotForEachCpu) {
  const Inventory inventory = TakeInventory(EightCpus(), {}).value();
  EXPECT_EQ(inventory.slots, 8);
  EXPECT_EQ(inventory.threads_per_slot, 1);
}

TEST(Inventory, SharesTheCpusAmongThreads) {
  EXPECT_EQ(TakeInventory(EightCpus(), {.threads_per_slot = 3}).value().slots, 2);
  EXPECT_EQ(TakeInventory(EightCpus(), {.threads_per_slot = 100}).value().slots, 1);
}

TEST(Inventory, KeepsToTheTightestQuotaAboveIt) {
  CpuLimits limits = EightCpus();
  limits.cgroup_quotas = {"max 100000", "250000 100000", "600000 100000"};
  EXPECT_EQ(TakeInventory(limits, {}).value().slots, 2);
}

TEST(Inventory, HasASlotEvenForAFractionOfACpu) {
  CpuLimits limits = EightCpus();
  limits.cgroup_quotas = {"50000 100000"};
  EXPECT_EQ(TakeInventory(limits, {}).value().slots, 1);
}

TEST(Inventory, PassesOverQuotasThatMakeNoSense) {
  CpuLimits limits = EightCpus();
  limits.cgroup_quotas = {"", "max", "0 0", "-1 100000", "many 100000", "100000"};
  EXPECT_EQ(TakeInventory(limits, {}).value().slots, 8);
}

TEST(Inventory, KeepsToWhatSlurmGave) {
  CpuLimits limits = EightCpus();
  limits.slurm_cpus_per_task = "4";
  EXPECT_EQ(TakeInventory(limits, {}).value().slots, 4);
  limits.slurm_cpus_per_task = "64";
  EXPECT_EQ(TakeInventory(limits, {}).value().slots, 8);
  limits.slurm_cpus_per_task = "";
  EXPECT_EQ(TakeInventory(limits, {}).value().slots, 8);
}

TEST(Inventory, DoesWhatItIsTold) {
  EXPECT_EQ(TakeInventory(EightCpus(), {20, 2}).value().slots, 20);
  EXPECT_FALSE(TakeInventory(EightCpus(), {0, 1}));
  EXPECT_FALSE(TakeInventory(EightCpus(), {.threads_per_slot = 0}));
}

TEST(Inventory, BindsEachSlotToAnEvenShare) {
  const Inventory inventory = TakeInventory(EightCpus(), {3, 2}).value();
  EXPECT_THAT(inventory.CpusOf(0), ElementsAre(0, 1));
  EXPECT_THAT(inventory.CpusOf(1), ElementsAre(2, 3, 4));
  EXPECT_THAT(inventory.CpusOf(2), ElementsAre(5, 6, 7)) << "none belongs to no slot";
  EXPECT_THAT(TakeInventory(EightCpus(), {2, 1}).value().CpusOf(1), ElementsAre(4, 5, 6, 7));
}

TEST(Inventory, BindsNothingWhereItWouldHurt) {
  EXPECT_THAT(TakeInventory(EightCpus(), {5, 2}).value().CpusOf(0), IsEmpty()) << "more threads than CPUs";
  EXPECT_THAT(TakeInventory(EightCpus(), {1, 2}).value().CpusOf(0), IsEmpty()) << "it may use them all";
  EXPECT_THAT(TakeInventory(EightCpus(), {2, 2}).value().CpusOf(7), IsEmpty()) << "no such slot";
}

std::vector<LentGpu> TwoGpus() { return {{"GPU-a", "A100", 40}, {"GPU-b", "A100", 30}}; }

TEST(Inventory, HasASlotForEachGpuAndSharesTheCpusOut) {
  const Inventory inventory = TakeInventory(EightCpus(), {}, TwoGpus()).value();
  EXPECT_EQ(inventory.device(), "cuda");
  EXPECT_EQ(inventory.slots, 2);
  EXPECT_EQ(inventory.threads_per_slot, 4);
  EXPECT_EQ(inventory.slot_memory_bytes, 30) << "what every slot has";
  EXPECT_EQ(inventory.GpuOf(0), "GPU-a");
  EXPECT_EQ(inventory.GpuOf(1), "GPU-b");
  EXPECT_THAT(inventory.CpusOf(1), ElementsAre(4, 5, 6, 7));
}

TEST(Inventory, LetsSeveralSlotsShareAGpuAndFillsIdleGpusFirst) {
  const Inventory inventory = TakeInventory(EightCpus(), {.slots_per_gpu = 2}, TwoGpus()).value();
  EXPECT_EQ(inventory.slots, 4);
  EXPECT_EQ(inventory.threads_per_slot, 2);
  EXPECT_EQ(inventory.slot_memory_bytes, 15);
  EXPECT_EQ(inventory.GpuOf(1), "GPU-b");
  EXPECT_EQ(inventory.GpuOf(2), "GPU-a");
}

TEST(Inventory, LendsFewerSlotsThanGpusButNeverMore) {
  EXPECT_EQ(TakeInventory(EightCpus(), {.slots = 1}, TwoGpus()).value().slots, 1);
  const auto more = TakeInventory(EightCpus(), {.slots = 3}, TwoGpus());
  ASSERT_FALSE(more);
  EXPECT_THAT(more.error().message, HasSubstr("--slots-per-gpu"));
  EXPECT_FALSE(TakeInventory(EightCpus(), {.slots_per_gpu = 0}, TwoGpus()));
  EXPECT_FALSE(TakeInventory(EightCpus(), {.slots_per_gpu = 2})) << "there is no GPU";
}

TEST(Inventory, HasAThreadEvenWhereGpusOutnumberCpus) {
  const CpuLimits one{{3}, {}, {}};
  EXPECT_EQ(TakeInventory(one, {}, TwoGpus()).value().threads_per_slot, 1);
  EXPECT_THAT(TakeInventory(one, {}, TwoGpus()).value().CpusOf(0), IsEmpty());
}

TEST(Inventory, DoesNotGuessTheMemoryOfAGpu) {
  EXPECT_EQ(TakeInventory(EightCpus(), {}, {{"0", "", 0}, {"1", "", 7}}).value().slot_memory_bytes, 0);
}

TEST(Inventory, SharesTheMachinesMemoryAmongSlotsOfCpus) {
  CpuLimits limits = EightCpus();
  limits.memory_bytes = 80;
  const Inventory inventory = TakeInventory(limits, {}).value();
  EXPECT_EQ(inventory.slot_memory_bytes, 10);
  EXPECT_EQ(inventory.device(), "cpu");
  EXPECT_EQ(inventory.GpuOf(0), "");
}

TEST(CpuLimits, OfThisMachineTellItsMemory) { EXPECT_GT(ReadCpuLimits().memory_bytes, uint64_t{1} << 20); }

TEST(CpuLimits, OfThisMachineNameAtLeastOneCpu) { EXPECT_THAT(ReadCpuLimits().affinity, Not(IsEmpty())); }

}  // namespace
}  // namespace tutti::worker
