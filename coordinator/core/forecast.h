// What would happen if an ensemble were submitted now and nothing went wrong. Pure: a copy of the core is run forward,
// with trainers that do as they should, so that the forecast obeys every rule that the scheduler obeys.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "coordinator/core/core.h"
#include "coordinator/core/events.h"

namespace tutti::core {

struct ForecastMember {
  std::string name;
  int slots = 0;             // it asks for at least so many
  std::vector<SlotId> gang;  // what it would get; empty: it does not start
  bool at_once = false;      // as soon as the data is inspected
  // From now on; nothing where that hangs on how long something takes that was never measured.
  std::optional<Duration> begins;
  std::optional<Duration> ends;
  std::string reason;  // why it does not start at once, or at all
};

struct Forecast {
  std::vector<ForecastMember> members;  // as written
  int others = 0;                       // members of other ensembles that run or are served before the last of these
  std::optional<Duration> ends;         // with the last member
  bool whole = true;                    // else there was too much to think through to the end
};

// How long a training job takes from its start to its end, or, when it runs, from now; nothing: nobody knows.
using DurationOf = std::function<std::optional<Duration>(const JobId&)>;

// `core` is a copy that is used up. The ensemble's id is one that the core does not know. `enough` is asked again and
// again; once it says so, the forecast ends where it is.
Forecast ForecastOf(Core core, const EnsembleSubmitted& ensemble, const DurationOf& duration_of, TimePoint now,
                    const std::function<bool()>& enough = {});

}  // namespace tutti::core
