#include "worker/agent/shares.h"

#include <gmock/gmock.h>

#include <numeric>
#include <set>

namespace tutti::worker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<int> Cpus(int count, int first = 0) {
  std::vector<int> cpus(static_cast<size_t>(count));
  std::iota(cpus.begin(), cpus.end(), first);
  return cpus;
}

std::vector<std::string> Gpus(int count) {
  std::vector<std::string> gpus;
  for (int i = 0; i < count; ++i) gpus.push_back("GPU-" + std::to_string(i));
  return gpus;
}

TEST(ShareOut, DividesWhatAllWereGiven) {
  for (const int processes : {1, 2, 3, 5, 8}) {
    const std::vector<MachinePart> given(static_cast<size_t>(processes), MachinePart{Cpus(8), Gpus(8)});
    std::multiset<int> cpus;
    std::multiset<std::string> gpus;
    for (const MachineShare& share : ShareOut(given)) {
      EXPECT_FALSE(share.cpus.empty());
      EXPECT_EQ(share.users_of_cpus, 1);
      EXPECT_EQ(share.cpus.back() - share.cpus.front() + 1, static_cast<int>(share.cpus.size())) << "side by side";
      cpus.insert(share.cpus.begin(), share.cpus.end());
      gpus.insert(share.gpus.begin(), share.gpus.end());
    }
    const std::vector<int> all = Cpus(8);
    EXPECT_EQ(cpus, std::multiset<int>(all.begin(), all.end())) << processes << " processes: each CPU once";
    EXPECT_EQ(gpus.size(), 8U);
    EXPECT_EQ(std::set<std::string>(gpus.begin(), gpus.end()).size(), 8U) << "each GPU once";
  }
}

TEST(ShareOut, LeavesApartWhatTheLauncherGaveApart) {
  const auto shares = ShareOut({{Cpus(4), {"GPU-0"}}, {Cpus(4, 4), {"GPU-1"}}});
  EXPECT_EQ(shares[0], (MachineShare{Cpus(4), 1, {"GPU-0"}}));
  EXPECT_EQ(shares[1], (MachineShare{Cpus(4, 4), 1, {"GPU-1"}}));
}

TEST(ShareOut, DividesEachSocketAmongThoseOnIt) {
  const auto shares = ShareOut({{Cpus(2), {}}, {Cpus(2), {}}, {Cpus(2, 2), {}}, {Cpus(2, 2), {}}});
  EXPECT_THAT(shares[0].cpus, ElementsAre(0));
  EXPECT_THAT(shares[1].cpus, ElementsAre(1));
  EXPECT_THAT(shares[2].cpus, ElementsAre(2));
  EXPECT_THAT(shares[3].cpus, ElementsAre(3));
}

TEST(ShareOut, LeavesFewCpusToTheKernel) {
  const auto shares = ShareOut(std::vector<MachinePart>(3, MachinePart{Cpus(2), {}}));
  for (const MachineShare& share : shares) EXPECT_EQ(share, (MachineShare{Cpus(2), 3, {}}));
}

TEST(ShareOut, LeavesThoseBeyondTheGpusWithNone) {
  const auto shares = ShareOut(std::vector<MachinePart>(3, MachinePart{Cpus(6), Gpus(2)}));
  EXPECT_THAT(shares[0].gpus, ElementsAre("GPU-0"));
  EXPECT_THAT(shares[1].gpus, ElementsAre("GPU-1"));
  EXPECT_THAT(shares[2].gpus, IsEmpty());
}

Machine MachineOf(int cpus, std::vector<std::string> quotas = {}) {
  Machine machine;
  machine.limits = {Cpus(cpus), std::move(quotas), std::nullopt, 800};
  machine.gpus = {{"GPU-0", "A", 1}, {"GPU-1", "A", 1}};
  return machine;
}

TEST(Narrowed, LendsItsShareAlone) {
  const Machine machine = Narrowed(MachineOf(8), {Cpus(4, 4), 1, {"GPU-1"}}, 2);
  EXPECT_EQ(machine.limits.affinity, Cpus(4, 4));
  EXPECT_EQ(UsableCpus(machine.limits), 4);
  EXPECT_EQ(machine.limits.memory_bytes, 400U);
  ASSERT_EQ(machine.gpus.size(), 1U);
  EXPECT_EQ(machine.gpus[0].id, "GPU-1");
}

TEST(Narrowed, KeepsAllThatItWasGivenApart) {
  EXPECT_EQ(UsableCpus(Narrowed(MachineOf(4), {Cpus(4), 1, {}}, 2).limits), 4);
}

TEST(Narrowed, SharesTheQuotaOfACgroup) {
  EXPECT_EQ(UsableCpus(Narrowed(MachineOf(8, {"400000 100000"}), {Cpus(4), 1, {}}, 2).limits), 2);
}

TEST(Narrowed, LendsOneSlotAtLeast) { EXPECT_EQ(UsableCpus(Narrowed(MachineOf(2), {Cpus(2), 3, {}}, 3).limits), 1); }

}  // namespace
}  // namespace tutti::worker
