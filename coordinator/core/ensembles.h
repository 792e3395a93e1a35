// An ensemble from its submission to its answer. Internal.
#pragma once

#include "coordinator/core/state.h"

namespace tutti::core {

void OnSubmitted(State& state, Turn& turn, const EnsembleSubmitted& event);
void OnPrioritised(State& state, Turn& turn, const EnsemblePrioritised& event);
void OnCancelled(State& state, Turn& turn, const EnsembleCancelled& event);
void OnResumed(State& state, Turn& turn, const EnsembleResumed& event);
void OnRemoved(State& state, Turn& turn, const EnsembleRemoved& event);
void OnFolderRemoved(State& state, Turn& turn, const EnsembleFolderRemoved& event);
void OnStopRequested(State& state, Turn& turn);
// Stops every ensemble that a process which is gone left running. Where all members had ended, too: its answer is made
// once it is asked for.
void StopInterrupted(State& state, Turn& turn);

// Before an ensemble goes on: what its inspection left may have been lost, and is then made again.
void CheckInspectionOf(const State& state, Turn& turn, Ensemble& ensemble);
void OnInspectionChecked(State& state, Turn& turn, const InspectionChecked& event);
// Something is to be trained or inspected.
bool IsOpen(const State& state, const Ensemble& ensemble);

// Whether the event's effect lies in records now.
enum class Drawing { kDone, kOnItsWay };
Drawing OnInspected(State& state, Turn& turn, Ensemble& ensemble, const protocol::Inspected& inspected);
void OnSplitDrawn(State& state, Turn& turn, const SplitDrawn& event);
// The inspection did its work; how its process ends does not matter any more.
bool HasInspected(const Ensemble& ensemble);
// Its process has ended, after it did its work.
void EndInspection(State& state, Turn& turn, Ensemble& ensemble);

void OnCombinationDone(State& state, Turn& turn, const CombinationDone& event);

// Looks whether all of its members have ended, and what follows.
void Settle(State& state, Turn& turn, Ensemble& ensemble);

// Adds the jobs that the experiment names and the state does not have: of a new ensemble all of them, of a catalog that
// was made anew from folders perhaps some.
void AddMissingJobs(State& state, Turn& turn, const EnsembleId& id, const spec::EnsembleSpec& spec);
// What the experiment says of how to treat the jobs. All of them are in the state.
void ApplySpec(State& state, Ensemble& ensemble, const spec::EnsembleSpec& spec);
// Counts the jobs and links each with those that wait for it. Once, when all of them are in the state.
void LinkJobs(State& state, Ensemble& ensemble);

}  // namespace tutti::core
