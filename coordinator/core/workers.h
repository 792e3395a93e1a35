// Workers come, talk, fall silent, go and come back. Internal.
#pragma once

#include <optional>
#include <string>

#include "coordinator/core/state.h"

namespace tutti::core {

void OnJoined(State& state, Turn& turn, const WorkerJoined& event);
void OnDisconnected(State& state, Turn& turn, const WorkerDisconnected& event);
void OnSaid(State& state, Turn& turn, const WorkerSaid& event);
// An attempt of the job that it led failed. A worker on which attempts of several jobs fail in a row is set aside for a
// while, when there is another that takes work.
void Blame(State& state, Turn& turn, const WorkerId& id, const JobId& job, const std::string& error);
// What it ran got somewhere.
void Trust(State& state, Worker& worker);
void OnDrained(State& state, Turn& turn, const WorkerDrained& event);
// Why it gets nothing new: "is being drained". Empty: it does.
std::string WhyClosed(const State& state, const Worker& worker);

// Workers that were away or silent for too long, and attempts that nobody claimed after a restart.
void ExpireWorkers(State& state, Turn& turn);
std::optional<TimePoint> NextWorkerDeadline(const State& state);

}  // namespace tutti::core
