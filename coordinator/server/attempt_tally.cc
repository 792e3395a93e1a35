#include "coordinator/server/attempt_tally.h"

#include "common/protocol/trainer_events.h"

namespace tutti::server {
namespace {

bool Failed(const AttemptRecord& attempt) {
  if (!attempt.exit_code) return !attempt.error.empty();
  return *attempt.exit_code != protocol::kExitFinished && *attempt.exit_code != protocol::kExitStopped;
}

}  // namespace

void AttemptTally::Know(const AttemptRecord& attempt) {
  if (attempt.state != AttemptState::kEnded) open_.insert(attempt.id);
}

void AttemptTally::Note(const AttemptRecord& attempt) {
  if (attempt.state == AttemptState::kGranted) {
    if (open_.insert(attempt.id).second) ++started_;
  } else if (attempt.state == AttemptState::kEnded && open_.erase(attempt.id) > 0) {
    if (Failed(attempt)) ++failed_;
  }
}

}  // namespace tutti::server
