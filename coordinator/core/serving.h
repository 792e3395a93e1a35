// In which order waiting jobs are served. Internal.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "coordinator/core/state.h"

namespace tutti::core {

// Ensembles of a higher priority come first. Within a priority those jobs do for which slots are kept already, since a
// gang waits for more or folders are looked at, the one that has waited longest before the others: what frees up for it
// is never given to somebody else, whoever would be next by now. Then the ensemble that holds the fewest slots is next,
// of equals the one that was granted something longest ago, then the one that came first; its jobs by position.
//
// Ask for Next() until it is null, and say what it was given before asking again. A job may leave the queue once it was
// returned; none may join.
class ServingOrder {
 public:
  explicit ServingOrder(const State& state);

  const Job* Next();
  void Gave(int slots);  // to the job that Next() returned last

 private:
  // The smallest is next.
  struct Rank {
    int behind = 0;  // the priority, negative
    int slots = 0;
    int64_t last_grant = 0;
    TimePoint submitted_at;
    EnsembleId id;
    auto operator<=>(const Rank&) const = default;
  };
  using Cursor = std::set<QueueKey>::const_iterator;

  // From here on, of the same ensemble: those that slots are kept for are asked apart.
  std::optional<Cursor> FirstNotKept(Cursor cursor) const;
  const Job* NextKept();
  const Job* NextOf(std::map<Rank, Cursor>::iterator claim);

  const State& state_;
  std::map<Rank, Cursor> claims_;                  // of ensembles that have jobs to ask for
  std::map<EnsembleId, Rank> ranks_;               // of all that wait
  std::map<std::pair<int, int64_t>, JobId> kept_;  // by priority (negative) and since when
  int64_t grants_ = 0;
  EnsembleId last_;
};

}  // namespace tutti::core
