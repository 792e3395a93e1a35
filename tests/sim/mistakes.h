// What goes wrong on purpose, to show that the simulation would notice.
#pragma once

#include <optional>
#include <vector>

#include "coordinator/core/core.h"
#include "tests/coordinator/core/ledger.h"

namespace tutti::sim {

enum class Mistake {
  kNone,
  // ---- of what surrounds the core ----
  kAcknowledgesBeforeItCommits,  // a coordinator that dies has called safe what it never committed
  kLosesFreedSlots,              // SlotsFree is dropped without a break of the connection
  kFreesSlotsTooEarly,           // a slot is said to be free while its trainer runs
  kNeverTicks,                   // nobody tells the core that time passes
  kListensToWorkersAlone,        // what an attempt said when nobody listened is not read
  // ---- of the core: see BrokenCore ----
  kForgetsTheCheckpoint,     // replacements begin from nothing
  kGrantsBusySlots,          // the first slot of a worker is granted whoever runs there
  kForgetsToPersist,         // ends of attempts are not committed
  kLetsStaleAttemptsRun,     // nobody is told that another took its place
  kDeletesWhatIsNeeded,      // the checkpoint that an attempt goes on from is deleted
  kLeavesOutPredictions,     // the answer is combined of less than there is
  kTakesEveryEndForSuccess,  // a trainer that crashed has finished
  kConfusesAttempts,         // what an earlier attempt says counts for the newest
  kRestoresTooOld,           // what was committed last is forgotten
  kLosesGrants,              // slots are given to an attempt that nobody starts
  kAcknowledgesTooMuch,      // what comes after an event is called safe with it
};

// The edge of a core that has one of these mistakes: what it takes an event for, what it says in place of its effects,
// what it remembers. Without one, all passes through untouched.
class BrokenCore {
 public:
  explicit BrokenCore(Mistake mistake) : mistake_(mistake) {}

  std::vector<core::Event> Hear(const core::Event& event, const core::Core& core) const;
  std::vector<core::Effect> Speak(std::vector<core::Effect> effects) const;
  // What a restart begins from, `before` being what was stored before the last commit.
  const Records& Remember(const Records& now, const Records& before) const;

 private:
  std::vector<core::Event> HearWorker(core::WorkerSaid said, const core::Core& core) const;
  bool Drops(const core::Effect& effect) const;
  void Spoil(core::Effect& effect) const;

  Mistake mistake_;
};

}  // namespace tutti::sim
