#include "cli/gangs.h"

#include <gmock/gmock.h>

namespace tutti::cli {
namespace {

using testing::HasSubstr;

spec::EnsembleSpec WithGangs(std::vector<spec::SlotsSpec> gangs) {
  spec::EnsembleSpec spec;
  for (const spec::SlotsSpec& slots : gangs) {
    spec.members.emplace_back();
    spec.members.back().name = fmt::format("m{}", spec.members.size());
    spec.members.back().slots = slots;
  }
  return spec;
}

worker::Inventory Lending(int slots) {
  worker::Inventory inventory;
  inventory.slots = slots;
  return inventory;
}

TEST(WarningOf, IsForFarMoreThreadsThanCpus) {
  worker::Inventory inventory = Lending(8);
  inventory.usable_cpus = 2;
  EXPECT_FALSE(WarningOf(inventory)) << "somebody may want that";
  inventory.slots = 999;
  ASSERT_TRUE(WarningOf(inventory));
  EXPECT_THAT(*WarningOf(inventory), HasSubstr("999 slots have 999 threads, and this machine has 2 CPUs"));
}

TEST(CheckGangsFit, AnElasticGangNeedsItsLeastWidthAlone) {
  EXPECT_TRUE(CheckGangsFit(WithGangs({{1, 8}, {2, 2}}), Lending(2)));
}

TEST(CheckGangsFit, NamesTheMemberThatNeedsMoreMemoryThanSlotsHave) {
  spec::EnsembleSpec spec = WithGangs({{1, 1}, {1, 1}});
  spec.members[1].slot_memory_bytes = 6'000'000'000;
  EXPECT_TRUE(CheckGangsFit(spec, Lending(1))) << "nobody knows what they have";
  worker::Inventory inventory = Lending(1);
  inventory.slot_memory_bytes = 4'000'000'000;
  const auto fits = CheckGangsFit(spec, inventory);
  ASSERT_FALSE(fits);
  EXPECT_THAT(fits.error().message, HasSubstr("m2 needs slots of 6 GB and those of this machine have 4 GB"));
}

TEST(CheckGangsFit, NamesTheFirstMemberThatWouldWaitForEver) {
  const auto fits = CheckGangsFit(WithGangs({{1, 1}, {3, 4}, {5, 5}}), Lending(2));
  ASSERT_FALSE(fits);
  EXPECT_THAT(fits.error().message, HasSubstr("m2 needs 3 slots at once and this machine lends 2"));
}

TEST(CheckGangsFit, CountsTheWorkersOfADomainTogether) {
  const std::vector<Lender> lenders = {{"d1", 2, 0}, {"d1", 2, 0}, {"d2", 3, 0}};
  EXPECT_TRUE(CheckGangsFit(WithGangs({{4, 4}}), lenders));
  const auto fits = CheckGangsFit(WithGangs({{5, 5}}), lenders);
  ASSERT_FALSE(fits);
  EXPECT_THAT(fits.error().message,
              HasSubstr("m1 needs 5 slots at once and the workers that a launcher brings together"));
}

TEST(CheckGangsFit, KeepsOnOneWorkerWhatMustNotSpread) {
  const std::vector<Lender> lenders = {{"d1", 2, 0}, {"d1", 3, 0}};
  spec::SlotsSpec narrow{3, 3, spec::SlotsSpec::Spread::kOneWorker}, wide{4, 4, spec::SlotsSpec::Spread::kOneWorker};
  EXPECT_TRUE(CheckGangsFit(WithGangs({narrow}), lenders));
  EXPECT_FALSE(CheckGangsFit(WithGangs({wide}), lenders));
}

TEST(CheckGangsFit, CountsNoSlotsWithTooLittleMemory) {
  spec::EnsembleSpec spec = WithGangs({{2, 2}});
  spec.members[0].slot_memory_bytes = 6'000'000'000;
  EXPECT_FALSE(CheckGangsFit(spec, {{"d1", 1, 8'000'000'000}, {"d1", 1, 4'000'000'000}}));
  EXPECT_TRUE(CheckGangsFit(spec, {{"d1", 1, 8'000'000'000}, {"d1", 1, 0}})) << "nobody knows what the other has";
}

}  // namespace
}  // namespace tutti::cli
