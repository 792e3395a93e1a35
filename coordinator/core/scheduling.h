// The queue meets the cluster. Internal.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "coordinator/core/scheduler.h"
#include "coordinator/core/state.h"

namespace tutti::core {

// Grants slots to the jobs at the head of the queue, when something changed that could let one start. A job whose
// folders must be looked at first keeps its slots meanwhile.
void ScheduleReady(State& state, Turn& turn);

// The slots of workers that can be told to start something.
std::vector<FreeSlots> FreeCluster(const State& state);
Waiting WaitingOf(const Job& job);

// The queue without those that are about to start, in its order.
std::vector<Waiting> WhatLacksSlots(const State& state);

// Why a job is not running (or where it runs), for people.
std::string WhyNot(const State& state, const Job& job);
// The same of an ensemble's waiting jobs, in a few words each.
std::map<JobId, std::string> ReasonsToWait(const State& state, const EnsembleId& ensemble);

}  // namespace tutti::core
