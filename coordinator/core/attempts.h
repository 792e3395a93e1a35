// The life of an attempt: granted, started, heard, ended. Internal.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coordinator/core/state.h"

namespace tutti::core {

// A new attempt on free slots, going on from the newest checkpoint.
void Grant(State& state, Turn& turn, Job& job, std::vector<SlotId> gang);

// No worker's fault.
void OnStartRefused(State& state, Turn& turn, const StartRefused& event);

// What leaders say (and, where ranks never came, others of the gang). `worker` is there, and the message is of its
// present incarnation.
void OnStarted(State& state, Turn& turn, const Worker& worker, const protocol::AttemptStarted& message);
void OnFailedToStart(State& state, Turn& turn, const Worker& worker, const protocol::AttemptFailedToStart& message);
void OnEvent(State& state, Turn& turn, const Worker& worker, const protocol::AttemptEvent& message);
void OnExited(State& state, Turn& turn, const Worker& worker, const protocol::AttemptExited& message);

// An attempt of which only the folder may be known: then it ended before this coordinator began.
Attempt& EnsureAttempt(State& state, Turn& turn, const AttemptId& id);
// What an attempt said that has ended since, and nobody heard. Of its checkpoints the folders tell.
void HearLate(State& state, Turn& turn, const protocol::AttemptEvent& message);
// Finishes the job, which waits, when this attempt has finished it and nobody saw its end.
void ConcludeUnseen(State& state, Turn& turn, const AttemptId& id);

// What the job has done is of no use: it waits for another attempt, or is given up.
void CountFailure(State& state, Turn& turn, Job& job, const std::string& error);

// The attempt ended without its own doing: its worker is gone or knows nothing of it.
void Lose(State& state, Turn& turn, Attempt& attempt, const std::string& why);

// Its leader is back before a replacement was granted and still runs it: the attempt goes on. False when that is not
// possible any more.
enum class Revival { kGoesOn, kTooLate };
Revival Revive(State& state, Turn& turn, Attempt& attempt, const Worker& worker);

// Its leader is asked to checkpoint and end, so that the job goes on elsewhere: a worker leaves, or is drained. No
// failure.
void Preempt(State& state, Turn& turn, Attempt& attempt);

// Its leader confirmed (again) that it runs.
void Confirm(State& state, Turn& turn, Attempt& attempt);

// Tells the leader to stop it, as the ensemble's state demands.
void Stop(State& state, Turn& turn, Attempt& attempt);
// How attempts of this ensemble are to be stopped; nothing while it runs.
std::optional<protocol::StopReason> WantedStop(const Ensemble& ensemble);

void TellWorker(const State& state, Turn& turn, const WorkerId& worker, protocol::ToWorker message);

}  // namespace tutti::core
