// Which waiting jobs start now, on which slots. Pure: the same inputs give the same answer.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <tl/expected.hpp>
#include <unordered_map>
#include <vector>

#include "common/ids.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::core {

struct FreeSlots {
  WorkerId worker;
  std::string launch_domain;  // a gang stays within one; a worker that names none is one by itself
  int total = 0;
  std::vector<int> free;           // indexes, rising
  std::string closed = {};         // why none of them is for anything new: "is being drained"
  uint64_t slot_memory_bytes = 0;  // that each has; 0: unknown, which counts as enough
};

struct Waiting {
  JobId job;
  int minimum_slots = 1;
  int maximum_slots = 1;
  std::set<WorkerId> avoids = {};  // workers that it takes only where nothing else fits
  uint64_t slot_memory_bytes = 0;  // that each slot must have
  spec::SlotsSpec::Spread spread = spec::SlotsSpec::Spread::kAllowed;
};

// Why a job does not start: "needs 4 slots at once, 3 are free", "no worker is connected".
struct Refusal {
  // kKept: what comes free first is kept for it. kUnfit: no slot that comes free helps.
  enum class Kind { kKept, kInLine, kUnfit };
  Kind kind = Kind::kInLine;
  std::string reason;
};

// Serves waiting jobs: ask for one after the other, in the order in which they are to be served, until exhausted(). A
// gang that does not fit now holds back those behind it from the slots that it waits for, so that narrow jobs never
// starve a wide one; one that no cluster of these workers could ever hold blocks nobody. An elastic gang gets as many
// of its slots as are free in one launch domain.
class Placer {
 public:
  explicit Placer(const std::vector<FreeSlots>& cluster);

  // The job's gang, in the order of ranks, one worker's slots side by side: taken from what is left. Or why it gets
  // none, and then what it waits for is kept for it.
  tl::expected<std::vector<SlotId>, Refusal> Place(const Waiting& job);

  // No job behind can get anything.
  bool exhausted() const;

 private:
  struct Host {
    WorkerId worker;
    int total = 0;
    uint64_t slot_memory_bytes = 0;
    std::vector<int> free;  // falling, so that the lowest is taken from the back

    bool Offers(uint64_t bytes) const { return slot_memory_bytes == 0 || slot_memory_bytes >= bytes; }
  };
  struct Domain {
    std::string name;
    int closed_total = 0;     // of workers that get nothing new
    JobId kept_for;           // a gang that waits for this domain; no ensemble: open to all
    uint64_t kept_bytes = 0;  // that its slots must have: hosts that have less stay open
    std::vector<Host> hosts;

    bool kept() const { return !kept_for.ensemble.empty(); }
    bool IsOpen(const Host& host) const { return !kept() || !host.Offers(kept_bytes); }
    // Of hosts that offer what the job needs: all slots, those of hosts that are open, and of these the free ones;
    // where it must not spread, those of the widest host.
    int Total(const Waiting& job) const;
    int OpenTotal(const Waiting& job) const;
    int Free(const Waiting& job) const;

   private:
    template <typename SlotsOf>
    int WidthFor(const Waiting& job, SlotsOf slots_of) const;
  };

  Domain& DomainOf(const FreeSlots& slots, std::unordered_map<std::string, size_t>& numbers);  // of domains_, by name
  std::string WhyUnfit(const Waiting& job) const;
  // The domain with the most free slots among those that could hold the job; none: all are kept for others.
  Domain* WidestFor(const Waiting& job);
  std::vector<SlotId> Take(const Waiting& job, int slots);
  static void TakeFrom(Host& host, int slots, std::vector<SlotId>& gang);
  std::string WhyKept(const Waiting& job) const;

  struct Closed {
    WorkerId worker;
    int total = 0;
    std::string why;
  };

  std::vector<Domain> domains_;
  uint64_t most_slot_memory_ = 0;  // that a worker offers, closed ones too; the largest number where one is unknown
  std::vector<Closed> closed_;
};

}  // namespace tutti::core
