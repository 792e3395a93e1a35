#include "tests/sim/simulation.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

namespace tutti::sim {
namespace {

constexpr uint64_t kSeeds = 4000;
constexpr uint64_t kSeedsForAMistake = 200;

// An invariant that does not hold aborts the process: then this says which seed it was.
char seed_in_words[64];

void SaySeed(int) {
  (void)!write(STDERR_FILENO, seed_in_words, std::char_traits<char>::length(seed_in_words));
  std::_Exit(1);
}

Outcome RunSeed(uint64_t seed, Mistake mistake) {
  *fmt::format_to_n(seed_in_words, sizeof seed_in_words - 1, "the seed was {}\n", seed).out = '\0';
  return Simulation(seed, mistake).Run();
}

class Cluster : public ::testing::Test {
 protected:
  void SetUp() override { before_ = std::signal(SIGABRT, SaySeed); }
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
    ASSERT_EQ(outcome.violation, std::nullopt) << "run again with TUTTI_SIM_SEED=" << seed;
    sum.events += outcome.events;
    sum.restarts += outcome.restarts;
    sum.replaced += outcome.replaced;
    sum.finished += outcome.finished;
    sum.removed += outcome.removed;
    sum.damaged += outcome.damaged;
  }
  RecordProperty("events", sum.events);
  if (chosen != nullptr) return;
  // It would say little if nothing ever went wrong, or nothing ever went well.
  EXPECT_GT(sum.restarts, static_cast<int>(kSeeds) * 2);
  EXPECT_GT(sum.replaced, static_cast<int>(kSeeds) * 3);
  EXPECT_GT(sum.finished, static_cast<int>(kSeeds));
  EXPECT_GT(sum.removed, static_cast<int>(kSeeds) / 10);
  EXPECT_GT(sum.damaged, static_cast<int>(kSeeds) / 10);
}

TEST_F(Cluster, TheSameSeedMakesTheSameCourse) {
  const Outcome once = RunSeed(7, Mistake::kNone);
  const Outcome twice = RunSeed(7, Mistake::kNone);
  EXPECT_EQ(once.events, twice.events);
  EXPECT_EQ(once.replaced, twice.replaced);
}

// What the simulation would notice: each mistake is found by some seed, in words that tell it.
struct Caught {
  const char* name;
  Mistake mistake;
  const char* words;
};

class Mistakes : public Cluster, public ::testing::WithParamInterface<Caught> {};

TEST_P(Mistakes, AreNoticed) {
  for (uint64_t seed = 1; seed <= kSeedsForAMistake; ++seed) {
    const Outcome outcome = RunSeed(seed, GetParam().mistake);
    if (outcome.violation && outcome.violation->find(GetParam().words) != std::string::npos) return;
  }
  FAIL() << "no seed noticed it";
}

INSTANTIATE_TEST_SUITE_P(
    Made, Mistakes,
    ::testing::Values(Caught{"AcknowledgingBeforeTheCommit", Mistake::kAcknowledgesBeforeItCommits, "is combined of"},
                      Caught{"LosingFreedSlots", Mistake::kLosesFreedSlots, "never ends"},
                      Caught{"ForgettingTheCheckpoint", Mistake::kForgetsTheCheckpoint, "was acknowledged"},
                      Caught{"FreeingSlotsTooEarly", Mistake::kFreesSlotsTooEarly, "was granted to"},
                      Caught{"NeverTicking", Mistake::kNeverTicks, "never ends"},
                      Caught{"ListeningToWorkersAlone", Mistake::kListensToWorkersAlone, "hole in its epochs"}),
    [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace tutti::sim
