#include "coordinator/core/workers.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "coordinator/core/attempts.h"

namespace tutti::core {
namespace {

// No node has more; each one costs memory.
constexpr int kMostSlots = 8192;

std::string Seconds(Duration duration) {
  return fmt::format("{} s", std::chrono::duration_cast<std::chrono::seconds>(duration).count());
}

std::set<AttemptId> HeldBy(const Worker& worker) {
  std::set<AttemptId> held;
  for (const auto& holder : worker.holders) {
    if (holder) held.insert(*holder);
  }
  return held;
}

// ---- joining ----

std::optional<std::string> ReasonToRefuse(const State& state, const protocol::Hello& hello) {
  if (hello.version != protocol::kChannelVersion) {
    return fmt::format(
        "worker {} speaks version {} of the channel, this coordinator {}: install the same release on both",
        hello.worker, hello.version, protocol::kChannelVersion);
  }
  if (hello.obeyed > state.generation) {
    return fmt::format("worker {} obeys generation {}, this coordinator is generation {}: a newer one has taken over",
                       hello.worker, hello.obeyed.value, state.generation.value);
  }
  const auto known = state.workers.find(hello.worker);
  // One that is only awaited has no newer process here: the clock that numbers processes may have been set back.
  if (known != state.workers.end() && known->second.joined && hello.incarnation < known->second.incarnation) {
    return fmt::format("a newer process of worker {} has joined: this one must end", hello.worker);
  }
  if (hello.slots < 1) return fmt::format("worker {} offers no slots", hello.worker);
  if (hello.slots > kMostSlots) {
    return fmt::format("worker {} offers {} slots, at most {} are possible", hello.worker, hello.slots, kMostSlots);
  }
  return std::nullopt;
}

bool GangHas(const Attempt& attempt, const Worker& worker, const std::vector<int>& slots) {
  return std::ranges::all_of(slots, [&](int index) {
    return std::ranges::find(attempt.record.gang, SlotId{worker.id, index}) != attempt.record.gang.end();
  });
}

// Another attempt has slots of this one: it was granted them since, or the worker says that it runs there.
bool WasReplaced(const State& state, const Worker& worker, const Attempt& attempt, const std::set<AttemptId>& before) {
  const auto overlaps = [&](const AttemptId& id) {
    const auto other = state.attempts.find(id);
    if (id == attempt.record.id || other == state.attempts.end() || !IsLive(other->second)) return false;
    return std::ranges::any_of(other->second.record.gang, [&](const SlotId& slot) {
      return std::ranges::find(attempt.record.gang, slot) != attempt.record.gang.end();
    });
  };
  const auto taken = [&](const SlotId& slot) {
    if (slot.worker != worker.id) return false;
    if (std::cmp_greater_equal(slot.index, worker.holders.size())) return true;  // it offers fewer than it did
    const std::optional<AttemptId>& holder = worker.holders[static_cast<size_t>(slot.index)];
    return holder.has_value() && *holder != attempt.record.id;
  };
  return std::ranges::any_of(before, overlaps) || std::ranges::any_of(attempt.record.gang, taken);
}

// Whether a worker may go on with what it says it runs, `before` being what held its slots in our eyes.
Revival Keep(State& state, Turn& turn, const Worker& worker, const std::set<AttemptId>& before,
             const protocol::RunningAttempt& running) {
  Attempt* attempt = FindAttempt(state, running.attempt);
  if (attempt == nullptr || attempt->record.gang.empty()) return Revival::kTooLate;
  if (!GangHas(*attempt, worker, running.slots)) return Revival::kTooLate;
  const bool leads = LeaderOf(*attempt) == worker.id;
  if (leads != running.leader) return Revival::kTooLate;
  if (!leads) return IsLive(*attempt) ? Revival::kGoesOn : Revival::kTooLate;
  if (!IsLedBy(*attempt, worker)) return Revival::kTooLate;  // an older process led it, and took it along
  if (!IsLive(*attempt)) {
    if (WasReplaced(state, worker, *attempt, before)) return Revival::kTooLate;
    if (Revive(state, turn, *attempt, worker) == Revival::kTooLate) return Revival::kTooLate;
  }
  Confirm(state, turn, *attempt);
  return Revival::kGoesOn;
}

void Occupy(Worker& worker, const AttemptId& attempt, int index) {
  if (index < 0 || std::cmp_greater_equal(index, worker.holders.size())) return;
  worker.holders[static_cast<size_t>(index)] = attempt;
}

// The slots of what it leads, as long as that lives: one that has ended there lists no slots any more, but its end and
// that they are free are still to be told.
void OccupyLed(Worker& worker, const Attempt& attempt) {
  for (const SlotId& slot : attempt.record.gang) {
    if (slot.worker == worker.id) Occupy(worker, attempt.record.id, slot.index);
  }
}

// Brings what a worker says that it runs together with what we think: `before` are the attempts that we believed to
// hold slots there.
void Reconcile(State& state, Turn& turn, Worker& worker, const std::set<AttemptId>& before,
               const std::vector<protocol::RunningAttempt>& running) {
  worker.holders.assign(worker.holders.size(), std::nullopt);
  for (const protocol::RunningAttempt& one : running) {
    for (const int index : one.slots) Occupy(worker, one.attempt, index);  // stale ones, too, until it frees them
  }
  std::set<AttemptId> kept;
  for (const protocol::RunningAttempt& one : running) {
    if (Keep(state, turn, worker, before, one) == Revival::kGoesOn) {
      kept.insert(one.attempt);
      if (one.leader) OccupyLed(worker, *FindAttempt(state, one.attempt));
    } else {
      TellWorker(state, turn, worker.id, protocol::StopAttempt{one.attempt, protocol::StopReason::kStale});
    }
  }
  for (const AttemptId& id : before) {
    Attempt* attempt = FindAttempt(state, id);
    if (attempt == nullptr || !IsLive(*attempt) || kept.contains(id)) continue;
    // A start that was on its way over the former connection may still arrive.
    TellWorker(state, turn, worker.id, protocol::StopAttempt{id, protocol::StopReason::kStale});
    if (LeaderOf(*attempt) != worker.id) {  // it need not wait for a rank that never comes
      TellWorker(state, turn, LeaderOf(*attempt), protocol::StopAttempt{id, protocol::StopReason::kStale});
    }
    Lose(state, turn, *attempt, fmt::format("worker {} joined again without it", worker.id));
  }
  state.schedule_needed = true;
}

// What was seen but lives in memory alone is said again after a Welcome, and is welcome again.
void ListenAgain(State& state, const Worker& worker) {
  for (const AttemptId& id : HeldBy(worker)) {
    Attempt* attempt = FindAttempt(state, id);
    if (attempt != nullptr && IsLive(*attempt) && IsLedBy(*attempt, worker))
      attempt->seen = attempt->record.acknowledged;
  }
}

// A worker that was given up for its silence speaks: its connection never broke, so that what it held, less what it
// freed since, is what it runs.
void ComeBack(State& state, Turn& turn, Worker& worker) {
  worker.gone = false;
  const std::set<AttemptId> held = HeldBy(worker);
  std::vector<protocol::RunningAttempt> running;
  for (const AttemptId& id : held) {
    protocol::RunningAttempt one{id, false, {}};
    for (size_t index = 0; index < worker.holders.size(); ++index) {
      if (worker.holders[index] == id) one.slots.push_back(static_cast<int>(index));
    }
    const Attempt* attempt = FindAttempt(state, id);
    one.leader = attempt != nullptr && IsLedBy(*attempt, worker);
    running.push_back(std::move(one));
  }
  Reconcile(state, turn, worker, held, running);
}

// ---- talking ----

void OnSlotsFree(State& state, Turn& turn, Worker& worker, const protocol::SlotsFree& message) {
  for (const int index : message.slots) {
    if (index < 0 || std::cmp_greater_equal(index, worker.holders.size())) continue;
    std::optional<AttemptId>& holder = worker.holders[static_cast<size_t>(index)];
    if (holder == message.attempt) {
      holder.reset();
      state.schedule_needed = true;
    }
  }
  Attempt* attempt = FindAttempt(state, message.attempt);
  if (attempt != nullptr && IsLive(*attempt) && IsLedBy(*attempt, worker)) {
    Lose(state, turn, *attempt, fmt::format("worker {} let it go without saying how it ended", worker.id));
  }
}

// What runs there checkpoints now, so that it can go on elsewhere at once.
void OnLeaving(State& state, Turn& turn, Worker& worker) {
  worker.leaving = true;
  state.schedule_needed = true;  // what was kept there for a wide gang may be for others now
  for (const AttemptId& id : HeldBy(worker)) {
    Attempt* attempt = FindAttempt(state, id);
    if (attempt != nullptr && IsLive(*attempt)) Preempt(state, turn, *attempt);
  }
}

struct Hears {
  State& state;
  Turn& turn;
  Worker& worker;

  void operator()(const protocol::Hello&) const {}  // comes as WorkerJoined
  void operator()(const protocol::Heartbeat&) const {}
  void operator()(const protocol::AttemptStarted& message) const { OnStarted(state, turn, worker, message); }
  void operator()(const protocol::AttemptFailedToStart& message) const {
    OnFailedToStart(state, turn, worker, message);
  }
  void operator()(const protocol::AttemptEvent& message) const { OnEvent(state, turn, worker, message); }
  void operator()(const protocol::AttemptExited& message) const { OnExited(state, turn, worker, message); }
  void operator()(const protocol::SlotsFree& message) const { OnSlotsFree(state, turn, worker, message); }
  void operator()(const protocol::Leaving&) const { OnLeaving(state, turn, worker); }
};

// ---- going ----

TimePoint DeadlineOf(const State& state, const Worker& worker) {
  return worker.connected ? worker.last_heard + state.settings.silence_limit
                          : worker.disconnected_at + state.settings.disconnect_grace;
}

void GiveUp(State& state, Turn& turn, Worker& worker) {
  worker.gone = true;
  state.schedule_needed = true;
  const std::string why =
      worker.connected ? fmt::format("worker {} said nothing for {}", worker.id, Seconds(state.settings.silence_limit))
                       : fmt::format("worker {} did not come back within {} after its connection broke", worker.id,
                                     Seconds(state.settings.disconnect_grace));
  for (const AttemptId& id : HeldBy(worker)) {
    Attempt* attempt = FindAttempt(state, id);
    if (attempt != nullptr && IsLive(*attempt) && LeaderOf(*attempt) == worker.id) Lose(state, turn, *attempt, why);
  }
}

bool OthersTakeWork(const State& state, const Worker& worker) {
  return std::ranges::any_of(state.workers, [&](const auto& entry) {
    const Worker& other = entry.second;
    return other.id != worker.id && other.usable() && WhyClosed(state, other).empty();
  });
}

// One more failure sets it aside again.
void TryAgain(State& state, Worker& worker) {
  worker.set_aside.clear();
  worker.failures = state.settings.maximum_worker_failures - 1;
  state.schedule_needed = true;
}

void EndLease(State& state, Turn& turn) {
  state.lease_ends.reset();
  const std::set<AttemptId> live = state.live;
  for (const AttemptId& id : live) {
    Attempt& attempt = state.attempts.at(id);
    if (attempt.record.state != AttemptState::kUnknown) continue;
    Lose(state, turn, attempt,
         fmt::format("worker {} did not come back within {} after the coordinator's restart", LeaderOf(attempt),
                     Seconds(state.settings.recovery_lease)));
  }
}

}  // namespace

void OnJoined(State& state, Turn& turn, const WorkerJoined& event) {
  const protocol::Hello& hello = event.hello;
  if (auto reason = ReasonToRefuse(state, hello)) {
    turn.Do(Tell{hello.worker, protocol::Refused{std::move(*reason)}, hello.incarnation});
    return;
  }
  Worker& worker = state.workers[hello.worker];
  const std::set<AttemptId> before = HeldBy(worker);
  worker.id = hello.worker;
  if (worker.incarnation != hello.incarnation) {
    worker.leaving = false;
    Trust(state, worker);
  }
  worker.incarnation = hello.incarnation;
  // A gang reduces on one kind of device.
  worker.launch_domain = hello.launch_domain.empty() ? "" : fmt::format("{} {}", hello.launch_domain, hello.device);
  worker.slot_memory_bytes = hello.slot_memory_bytes;
  worker.joined = true;
  worker.connected = true;
  worker.gone = false;
  worker.last_heard = turn.now;
  worker.holders.resize(static_cast<size_t>(hello.slots));
  TellWorker(state, turn, worker.id, protocol::Welcome{});
  Reconcile(state, turn, worker, before, hello.running);
  ListenAgain(state, worker);
}

void OnDisconnected(State& state, Turn& turn, const WorkerDisconnected& event) {
  const auto found = state.workers.find(event.worker);
  if (found == state.workers.end()) return;
  Worker& worker = found->second;
  if (worker.incarnation != event.incarnation || !std::exchange(worker.connected, false)) return;
  worker.disconnected_at = turn.now;
  // One that has left in order, with nothing that runs there, is not waited for.
  if (worker.leaving && HeldBy(worker).empty()) {
    worker.gone = true;
    worker.holders.clear();
  }
  state.schedule_needed = true;  // what was kept there for a wide gang may be for others now
}

void OnSaid(State& state, Turn& turn, const WorkerSaid& event) {
  const auto found = state.workers.find(event.worker);
  if (found == state.workers.end()) return;
  Worker& worker = found->second;
  if (worker.incarnation != event.incarnation || !worker.connected) return;
  worker.last_heard = turn.now;
  if (worker.gone) ComeBack(state, turn, worker);
  std::visit(Hears{state, turn, worker}, event.message);
}

void Trust(State& state, Worker& worker) {
  if (!worker.set_aside.empty()) state.schedule_needed = true;
  worker.failures = 0;
  worker.failed_jobs.clear();
  worker.set_aside.clear();
}

void Blame(State& state, Turn& turn, const WorkerId& id, const JobId& job, const std::string& error) {
  Worker& worker = state.workers.at(id);
  ++worker.failures;
  worker.failed_jobs.insert(job);
  const bool its_fault = worker.failures >= state.settings.maximum_worker_failures && worker.failed_jobs.size() > 1;
  if (!its_fault || !worker.set_aside.empty() || !OthersTakeWork(state, worker)) return;
  worker.set_aside =
      fmt::format("is set aside: {} attempts in a row failed there, the last: {}", worker.failures, error);
  worker.set_aside_until = turn.now + state.settings.set_aside_for;
  state.schedule_needed = true;  // what was kept there for a wide gang may be for others now
  Announce(turn, job.ensemble, fmt::format("worker {} {}", id, worker.set_aside));
}

void OnDrained(State& state, Turn& turn, const WorkerDrained& event) {
  state.schedule_needed = true;
  const auto known = state.workers.find(event.worker);
  if (event.drain == WorkerDrained::Drain::kEnd) {
    if (state.drains.erase(event.worker) > 0) turn.Erased(event.worker);
    if (known != state.workers.end()) Trust(state, known->second);
    return;
  }
  const bool checkpoint = event.drain == WorkerDrained::Drain::kCheckpoint;
  const auto drain = state.drains.try_emplace(event.worker, DrainRecord{event.worker, turn.now, checkpoint}).first;
  drain->second.checkpoint = checkpoint;
  turn.Touch(drain->second);
  if (!checkpoint || known == state.workers.end()) return;
  for (const AttemptId& id : HeldBy(known->second)) {
    if (Attempt* attempt = FindAttempt(state, id); attempt != nullptr && IsLive(*attempt))
      Preempt(state, turn, *attempt);
  }
}

std::string WhyClosed(const State& state, const Worker& worker) {
  if (worker.leaving) return "is leaving";
  return state.drains.contains(worker.id) ? kDrained : worker.set_aside;
}

void ExpireWorkers(State& state, Turn& turn) {
  for (auto& [id, worker] : state.workers) {
    if (!worker.set_aside.empty() && worker.set_aside_until <= turn.now) TryAgain(state, worker);
    if (!worker.gone && DeadlineOf(state, worker) <= turn.now) GiveUp(state, turn, worker);
  }
  if (state.lease_ends && *state.lease_ends <= turn.now) EndLease(state, turn);
}

std::optional<TimePoint> NextWorkerDeadline(const State& state) {
  std::optional<TimePoint> next = state.lease_ends;
  for (const auto& [id, worker] : state.workers) {
    if (worker.gone) continue;
    TimePoint deadline = DeadlineOf(state, worker);
    if (!worker.set_aside.empty()) deadline = std::min(deadline, worker.set_aside_until);
    if (!next || deadline < *next) next = deadline;
  }
  return next;
}

}  // namespace tutti::core
