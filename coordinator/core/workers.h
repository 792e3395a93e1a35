// Workers come, talk, fall silent, go and come back. Internal.
#pragma once

#include <optional>

#include "coordinator/core/state.h"

namespace tutti::core {

void OnJoined(State& state, Turn& turn, const WorkerJoined& event);
void OnDisconnected(State& state, Turn& turn, const WorkerDisconnected& event);
void OnSaid(State& state, Turn& turn, const WorkerSaid& event);

// Workers that were away or silent for too long, and attempts that nobody claimed after a restart.
void ExpireWorkers(State& state, Turn& turn);
std::optional<TimePoint> NextWorkerDeadline(const State& state);

}  // namespace tutti::core
