// The life of a job: waiting, running, ended; and its place in the queue. Internal.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/core/state.h"

namespace tutti::core {

// Changes a job's state with all that follows from it: the ensemble's counts, the queue, the jobs that wait for it.
// For kWaiting use Wait().
void SetJobState(State& state, Turn& turn, Job& job, JobState to, std::string reason);

// Those that wait for a job that failed fail with it.
void FailDependents(State& state, Turn& turn, const Job& job);

// The job waits (again), from `not_before` on for slots.
void Wait(State& state, Turn& turn, Job& job, std::string reason, std::optional<TimePoint> not_before = std::nullopt);

// How long to wait after the nth failure in a row.
Duration Backoff(const Settings& settings, int failures);

// Puts a waiting job where it belongs: the queue, the sleepers, or nowhere while it lacks something.
void Enqueue(State& state, Job& job, TimePoint now);
void Dequeue(State& state, Job& job);

// Jobs whose back-off is over.
void WakeSleepers(State& state, TimePoint now);

QueueKey QueueKeyOf(const State& state, const Job& job);
JobId JobIn(const QueueKey& key);

// As people know it: "lenet5-s0", "the inspection of the data".
std::string_view NameForPeople(std::string_view job);

// "waits for the inspection of the data", or nothing when there is nothing to wait for.
std::string WaitsFor(const std::vector<std::string>& jobs);
std::string ReasonToWait(const State& state, const Job& job);

}  // namespace tutti::core
