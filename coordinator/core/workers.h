// Workers come, talk, fall silent, go and come back. Internal.
#pragma once

#include <optional>
#include <string>

#include "coordinator/core/state.h"

namespace tutti::core {

void OnJoined(State& state, Turn& turn, const WorkerJoined& event);
void OnDisconnected(State& state, Turn& turn, const WorkerDisconnected& event);
void OnSaid(State& state, Turn& turn, const WorkerSaid& event);
void OnDrained(State& state, const WorkerDrained& event);
// Why it gets nothing new: "is being drained". Empty: it does.
std::string WhyClosed(const Worker& worker);

// Workers that were away or silent for too long, and attempts that nobody claimed after a restart.
void ExpireWorkers(State& state, Turn& turn);
std::optional<TimePoint> NextWorkerDeadline(const State& state);

}  // namespace tutti::core
