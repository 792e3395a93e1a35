// Which waiting jobs start now, on which slots. Pure: the same inputs give the same answer.
#pragma once

#include <set>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "common/ids.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::core {

struct FreeSlots {
  WorkerId worker;
  std::string launch_domain;  // a gang stays within one; a worker that names none is one by itself
  int total = 0;
  std::vector<int> free;    // indexes, rising
  std::string closed = {};  // why none of them is for anything new: "is being drained"
};

struct Waiting {
  JobId job;
  int minimum_slots = 1;
  int maximum_slots = 1;
  std::set<WorkerId> avoids = {};  // workers that it takes only where nothing else fits
  spec::SlotsSpec::Spread spread = spec::SlotsSpec::Spread::kAllowed;
};

// Why a job does not start: "needs 4 slots at once, 3 are free", "no worker has joined".
struct Refusal {
  // kKept: what comes free first is kept for it. kUnfit: no slot that comes free helps.
  enum class Kind { kKept, kInLine, kUnfit };
  Kind kind = Kind::kInLine;
  std::string reason;
};

// Serves waiting jobs: ask for one after the other, in the order in which they are to be served, until exhausted(). A
// gang that does not fit now holds back those behind it from the slots that it waits for, so that narrow jobs never
// starve a wide one; one that no cluster of these workers could ever hold blocks nobody. An elastic gang gets as many
// of its slots as are free in one launch domain, or on one worker where it may not be spread.
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
    std::vector<int> free;  // falling, so that the lowest is taken from the back
  };
  struct Domain {
    std::string name;
    int total = 0;
    int closed_total = 0;  // of workers that get nothing new
    int free = 0;
    JobId kept_for;  // a gang that waits for this domain; no ensemble: open to all
    std::vector<Host> hosts;

    bool open() const { return kept_for.ensemble.empty(); }
    int available() const { return open() ? free : 0; }
  };

  Domain& DomainOf(const FreeSlots& slots);
  // What the job could have there at most, with all that is there free, and what it could have now.
  static int WidthFor(const Waiting& job, const Domain& domain);
  static int FreeFor(const Waiting& job, const Domain& domain);
  std::string WhyUnfit(const Waiting& job) const;
  // The open domain with the most free slots among those that could hold the job; none: all are kept for others.
  Domain* WidestFor(const Waiting& job);
  std::vector<SlotId> Take(int slots, const Waiting& job);
  static void TakeFrom(Domain& domain, Host& host, int slots, std::vector<SlotId>& gang);
  std::string WhyKept(const Waiting& job) const;

  struct Closed {
    WorkerId worker;
    int total = 0;
    std::string why;
  };

  std::vector<Domain> domains_;
  std::vector<Closed> closed_;
};

}  // namespace tutti::core
