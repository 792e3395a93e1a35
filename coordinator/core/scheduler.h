// Which waiting jobs start now, on which slots. Pure: the same inputs give the same answer.
#pragma once

#include <string>
#include <vector>

#include "common/ids.h"

namespace tutti::core {

struct FreeSlots {
  WorkerId worker;
  std::string launch_domain;     // a gang stays within one
  int total = 0;
  std::vector<int> free;         // indexes, rising
};

struct Waiting {
  JobId job;
  int minimum_slots = 1;
  int maximum_slots = 1;
};

struct Placement {
  JobId job;
  std::vector<SlotId> gang;      // in the order of ranks, one worker's slots side by side
};

// A job that does not start, and why: "needs 4 slots at once, 3 are free", "no worker has joined".
struct Held {
  JobId job;
  std::string reason;
};

struct Schedule {
  std::vector<Placement> placements;
  std::vector<Held> held;
};

// `waiting` in the order in which they are to be served. A gang that does not fit now holds back those behind it from
// the slots that it waits for, so that narrow jobs never starve a wide one; one that no cluster of these workers could
// ever hold blocks nobody.
Schedule PlaceJobs(const std::vector<Waiting>& waiting, const std::vector<FreeSlots>& cluster);

}  // namespace tutti::core
