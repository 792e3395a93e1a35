// An ensemble from its submission to its answer. Internal.
#pragma once

#include "coordinator/core/state.h"

namespace tutti::core {

void OnSubmitted(State& state, Turn& turn, const EnsembleSubmitted& event);
void OnCancelled(State& state, Turn& turn, const EnsembleCancelled& event);
void OnResumed(State& state, Turn& turn, const EnsembleResumed& event);
void OnRemoved(State& state, Turn& turn, const EnsembleRemoved& event);
void OnStopRequested(State& state, Turn& turn);

// Whether the event's effect lies in records now.
enum class Drawing { kDone, kOnItsWay };
Drawing OnInspected(Turn& turn, Ensemble& ensemble, const protocol::Inspected& inspected);
void OnSplitDrawn(State& state, Turn& turn, const SplitDrawn& event);
// The inspection did its work; how its process ends does not matter any more.
bool HasInspected(const Ensemble& ensemble);
// Its process has ended, after it did its work.
void EndInspection(State& state, Turn& turn, Ensemble& ensemble);

void OnCombinationDone(State& state, Turn& turn, const CombinationDone& event);

// Looks whether all of its members have ended, and what follows.
void Settle(State& state, Turn& turn, Ensemble& ensemble);

// The ensemble's jobs as its experiment names them, in its order, the inspect job first.
std::vector<JobRecord> JobsOf(const EnsembleId& id, const spec::EnsembleSpec& spec);
// What the experiment says of how to treat the jobs. All of them are in the state.
void ApplySpec(State& state, Ensemble& ensemble, const spec::EnsembleSpec& spec);
// Counts the jobs and links each with those that wait for it. Once, when all of them are in the state.
void LinkJobs(State& state, Ensemble& ensemble);

}  // namespace tutti::core
