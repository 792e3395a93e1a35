#include "tests/sim/simulation.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ostream>
#include <string>

namespace tutti::sim {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kSeeds = 1500;  // each costs ten times as much
#else
constexpr uint64_t kSeeds = 20000;
#endif
constexpr uint64_t kSeedsForAMistake = 400;

// An invariant that does not hold aborts the process: then this says which seed it was.
char how_to_repeat[128];

void SayHowToRepeat(int) {
  (void)!write(STDERR_FILENO, how_to_repeat, std::char_traits<char>::length(how_to_repeat));
  std::_Exit(1);
}

Outcome RunSeed(uint64_t seed, Mistake mistake) {
  *fmt::format_to_n(how_to_repeat, sizeof how_to_repeat - 1,
                    "run again with TUTTI_SIM_SEED={} simulation_test --gtest_filter='Cluster.Every*'\n", seed)
       .out = '\0';
  return Simulation(seed, mistake).Run();
}

class Cluster : public ::testing::Test {
 protected:
  void SetUp() override { before_ = std::signal(SIGABRT, SayHowToRepeat); }
  void TearDown() override { std::signal(SIGABRT, before_); }

 private:
  void (*before_)(int) = SIG_DFL;
};

// TUTTI_SIM_SEED=N runs that one alone.
TEST_F(Cluster, EveryEnsembleEndsWhateverFails) {
  const char* chosen = std::getenv("TUTTI_SIM_SEED");
  const uint64_t first = chosen == nullptr ? 1 : std::stoull(chosen);
  const uint64_t last = chosen == nullptr ? kSeeds : first;
  Outcome sum;
  for (uint64_t seed = first; seed <= last; ++seed) {
    const Outcome outcome = RunSeed(seed, Mistake::kNone);
    ASSERT_EQ(outcome.violation, std::nullopt) << how_to_repeat;
    sum.events += outcome.events;
    sum.restarts += outcome.restarts;
    sum.replaced += outcome.replaced;
    sum.finished += outcome.finished;
    sum.removed += outcome.removed;
    sum.damaged += outcome.damaged;
    sum.lies += outcome.lies;
    sum.left += outcome.left;
    sum.parted += outcome.parted;
  }
  RecordProperty("events", sum.events);
  if (chosen != nullptr) return;
  // It would say little if nothing ever went wrong, or nothing ever went well.
  EXPECT_GT(sum.restarts, static_cast<int>(kSeeds) * 2);
  EXPECT_GT(sum.replaced, static_cast<int>(kSeeds) * 3);
  EXPECT_GT(sum.finished, static_cast<int>(kSeeds));
  EXPECT_GT(sum.removed, static_cast<int>(kSeeds) / 10);
  EXPECT_GT(sum.damaged, static_cast<int>(kSeeds) / 10);
  EXPECT_GT(sum.lies, static_cast<int>(kSeeds) * 2);
  EXPECT_GT(sum.left, static_cast<int>(kSeeds) / 2);
  EXPECT_GT(sum.parted, static_cast<int>(kSeeds) / 200);
}

TEST_F(Cluster, TheSameSeedMakesTheSameCourse) {
  const Outcome once = RunSeed(7, Mistake::kNone);
  const Outcome twice = RunSeed(7, Mistake::kNone);
  EXPECT_EQ(once.events, twice.events);
  EXPECT_EQ(once.replaced, twice.replaced);
}

// Each mistake is found by some seed, in words that tell it: by the cluster that does what it must never do, or by the
// core's own invariants, which abort.
struct Caught {
  const char* name;
  Mistake mistake;
  const char* words;
};

void PrintTo(const Caught& caught, std::ostream* out) { *out << caught.name; }

class Mistakes : public Cluster, public ::testing::WithParamInterface<Caught> {};

[[noreturn]] void RunUntilNoticed(const Caught& caught) {
  for (uint64_t seed = 1; seed <= kSeedsForAMistake; ++seed) {
    const Outcome outcome = RunSeed(seed, caught.mistake);
    if (!outcome.violation || outcome.violation->find(caught.words) == std::string::npos) continue;
    fmt::print(stderr, "{}\n{}", *outcome.violation, how_to_repeat);
    std::_Exit(1);
  }
  std::_Exit(0);
}

TEST_P(Mistakes, AreNoticed) {
  using ::testing::AllOf;
  using ::testing::HasSubstr;
  EXPECT_EXIT(RunUntilNoticed(GetParam()), ::testing::ExitedWithCode(1),
              AllOf(HasSubstr(GetParam().words), HasSubstr("TUTTI_SIM_SEED=")));
}

INSTANTIATE_TEST_SUITE_P(
    OfTheSurroundings, Mistakes,
    ::testing::Values(Caught{"AcknowledgingBeforeTheCommit", Mistake::kAcknowledgesBeforeItCommits, "is combined of"},
                      Caught{"LosingFreedSlots", Mistake::kLosesFreedSlots, "never ends"},
                      Caught{"FreeingSlotsTooEarly", Mistake::kFreesSlotsTooEarly, "was granted to"},
                      Caught{"NeverTicking", Mistake::kNeverTicks, "never ends"},
                      Caught{"ListeningToWorkersAlone", Mistake::kListensToWorkersAlone, "hole in its epochs"}),
    [](const auto& one) { return std::string(one.param.name); });

INSTANTIATE_TEST_SUITE_P(
    OfTheCore, Mistakes,
    ::testing::Values(Caught{"ForgettingTheCheckpoint", Mistake::kForgetsTheCheckpoint, "was acknowledged"},
                      Caught{"GrantingBusySlots", Mistake::kGrantsBusySlots, "was granted to"},
                      Caught{"ForgettingToPersist", Mistake::kForgetsToPersist, "is not what is known"},
                      Caught{"LettingStaleAttemptsRun", Mistake::kLetsStaleAttemptsRun, "never ends"},
                      Caught{"DeletingWhatIsNeeded", Mistake::kDeletesWhatIsNeeded, "which was deleted"},
                      Caught{"LeavingOutPredictions", Mistake::kLeavesOutPredictions, "is combined of"},
                      Caught{"TakingEveryEndForSuccess", Mistake::kTakesEveryEndForSuccess, "is combined of"},
                      Caught{"ConfusingAttempts", Mistake::kConfusesAttempts, "has a row and no folder"},
                      Caught{"RestoringTooOld", Mistake::kRestoresTooOld, "is not what is known"},
                      Caught{"LosingGrants", Mistake::kLosesGrants, "never ends"},
                      Caught{"AcknowledgingTooMuch", Mistake::kAcknowledgesTooMuch, "hole in its epochs"}),
    [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace tutti::sim
