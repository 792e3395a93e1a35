#include "cli/render/next_command.h"

#include <gtest/gtest.h>

namespace tutti::cli {
namespace {

TEST(NextCommand, SaysNoMoreThanTheCommandBeforeWasTold) {
  EXPECT_EQ(NextCommand{}.Resume("small-1"), "tutti resume small-1");
  EXPECT_EQ(NextCommand{}.Watch("small-1"), "tutti watch small-1");
}

TEST(NextCommand, RepeatsHomeAndSlots) {
  NextCommand next;
  next.home = "/scratch/x";
  next.slots = 2;
  next.threads_per_slot = 3;
  EXPECT_EQ(next.Resume("small-1"), "tutti resume small-1 --home /scratch/x --slots 2 --threads-per-slot 3");
  EXPECT_EQ(next.Watch("small-1"), "tutti watch small-1 --home /scratch/x");
  EXPECT_EQ(next.Submit("my file.yaml"), "tutti submit 'my file.yaml' --home /scratch/x");
}

TEST(NextCommand, RepeatsWhatSlotsAreMadeOf) {
  NextCommand next;
  next.slots_per_gpu = 2;
  next.device = "cuda";
  EXPECT_EQ(next.Resume("small-1"), "tutti resume small-1 --slots-per-gpu 2 --device cuda");
}

TEST(QuoteForShell, LeavesAloneWhatIsAWordAlready) {
  EXPECT_EQ(QuoteForShell("/home/ada/runs_1.2-é"), "/home/ada/runs_1.2-é");
}

TEST(QuoteForShell, MakesAWordOfAnythingElse) {
  EXPECT_EQ(QuoteForShell("/my runs"), "'/my runs'");
  EXPECT_EQ(QuoteForShell("it's"), R"('it'\''s')");
  EXPECT_EQ(QuoteForShell("$HOME"), "'$HOME'");
  EXPECT_EQ(QuoteForShell(""), "''");
}

}  // namespace
}  // namespace tutti::cli
