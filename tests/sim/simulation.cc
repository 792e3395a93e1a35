#include "tests/sim/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "tests/coordinator/core/experiments.h"

namespace tutti::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kChaosLasts = minutes(4);
constexpr Duration kCalmLasts = minutes(60);
constexpr Duration kHeartbeat = seconds(5);
constexpr int kWholeComparisonEvery = 37;  // events; it costs a copy of everything

template <typename... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

}  // namespace

Simulation::Simulation(uint64_t seed, Mistake mistake)
    : mistake_(mistake),
      edge_(mistake),
      agenda_(seed),
      surroundings_{agenda_,
                    disk_,
                    chaos_,
                    [this](const WorkerId& id, protocol::FromWorker message) { FromWorkerTo(id, std::move(message)); },
                    [this](const WorkerId& ended, const AttemptId& attempt, const std::vector<SlotId>& gang) {
                      EndRanks(ended, attempt, gang);
                    },
                    [this](const WorkerId& leader, const WorkerId& id, const AttemptId& attempt) {
                      return !AreParted(leader, id) && workers_.at(id).lends(attempt);
                    },
                    [this](const AttemptId& attempt) {
                      if (!core_) return false;
                      const auto records = core_->RecordsOf(attempt.job.ensemble).attempts;
                      const auto found = std::ranges::find(records, attempt, &AttemptRecord::id);
                      return found != records.end() && found->state != AttemptState::kEnded;
                    }} {}

Outcome Simulation::Run() {
  settings_.maximum_failures = 4;
  try {
    Build();
    Live();
    Calm();
    CheckTheEnd();
  } catch (const Violation& violation) {
    outcome_.violation = violation.what();
  }
  return outcome_;
}

void Simulation::Build() {
  one_process_ = agenda_.OneIn(4);
  if (one_process_ && agenda_.OneIn(2)) settings_.interrupted = core::Interrupted::kStop;
  const int64_t workers = one_process_ ? 1 : agenda_.Between(1, 4);
  const bool spread = workers > 1 && agenda_.OneIn(3);  // then every gang lies on several workers
  int64_t widest = spread ? std::min<int64_t>(workers, 3) : 1;
  for (int64_t i = 1; i <= workers; ++i) {
    const WorkerId id(fmt::format("n{}", i));
    const std::string domain = spread || agenda_.OneIn(2) ? "d" : "";
    const int64_t slots = spread ? 1 : agenda_.Between(1, 4);
    if (!spread) widest = std::max(widest, std::min<int64_t>(slots, 2));
    workers_.try_emplace(id, surroundings_, id, static_cast<int>(slots), domain);
    connections_[id];
  }
  StartCoordinator();
  for (auto& [id, worker] : workers_) {
    Connect(worker);
    Heartbeat(id);
  }
  const int64_t ensembles = agenda_.Between(1, 3);
  for (int64_t i = 1; i <= ensembles; ++i) {
    ensembles_.emplace_back(fmt::format("e-{}", i));
    std::vector<core::MemberSketch> members;
    for (int64_t member = agenda_.Between(1, 5); member > 0; --member) {
      const int wide = agenda_.OneIn(spread ? 2 : 4) ? static_cast<int>(widest) : 1;
      members.push_back({fmt::format("m{}", member), wide, wide + static_cast<int>(agenda_.Between(0, 1)),
                         static_cast<int>(agenda_.Between(1, 2))});
    }
    std::optional<int> minimum;
    if (agenda_.OneIn(2)) minimum = 1;
    const core::EnsembleSubmitted submitted{ensembles_.back(), core::ExperimentOf(members, minimum), "hash"};
    // Asked for again and again, as a user does whose coordinator died.
    const auto submit = [this, submitted] { Submit(submitted); };
    for (int attempt = 0; attempt < 3; ++attempt) agenda_.After(agenda_.Within(seconds(1), seconds(60)), submit);
    agenda_.After(kChaosLasts + seconds(30), submit);
  }
}

void Simulation::Live() {
  const TimePoint until = agenda_.now() + kChaosLasts;
  Disturb();
  ActAsUser();
  while (agenda_.now() < until && agenda_.Step()) {
  }
}

void Simulation::Calm() {
  chaos_ = Chaos::kOff;
  const TimePoint until = agenda_.now() + kCalmLasts;
  for (auto& [id, worker] : workers_) {
    if (!worker.alive()) {
      worker.Rise();
      Connect(worker);
    }
  }
  if (!core_) StartCoordinator();
  agenda_.After(seconds(40), [this] { Resume(); });
  while (agenda_.now() < until && agenda_.Step()) {
    if (AllEnded()) return;
  }
  throw Violation("it never ends: " + WhatIsLeft());
}

bool Simulation::AllEnded() const {
  if (!core_) return false;
  const auto& records = core_->records().ensembles;
  if (records.size() != ensembles_.size() - removed_.size()) return false;
  const auto ended = [](const EnsembleRecord& one) {
    return one.ended_at && one.state != EnsembleState::kStopped && one.state != EnsembleState::kRemoving;
  };
  if (!std::ranges::all_of(records, ended)) return false;
  return std::ranges::all_of(workers_, [](const auto& one) { return one.second.idle(); }) &&
         std::ranges::all_of(core_->workers(), [](const auto& worker) {
           return std::ranges::none_of(worker.holders, [](const auto& holder) { return holder.has_value(); });
         });
}

std::string Simulation::WhatIsLeft() const {
  if (!core_) return "no coordinator";
  std::string text;
  for (const EnsembleRecord& one : core_->records().ensembles) {
    text += fmt::format("{} is {}{}; ", one.id, Name(one.state), one.ended_at ? "" : ", not ended");
  }
  for (const JobRecord& job : core_->records().jobs) {
    if (job.state != JobState::kWaiting && job.state != JobState::kRunning) continue;
    text += fmt::format("{}: {}; ", job.id.str(), core_->Why(job.id));
  }
  for (const auto& worker : core_->workers()) {
    for (const auto& holder : worker.holders) {
      if (holder) text += fmt::format("{} is held by {}; ", worker.id, holder->str());
    }
  }
  for (const auto& [id, worker] : workers_) {
    if (!worker.idle()) text += fmt::format("{} is busy; ", id);
  }
  return text;
}

void Simulation::CheckTheEnd() {
  outcome_.removed = static_cast<int>(removed_.size());
  outcome_.damaged = static_cast<int>(disk_.damaged.size());
  if (core_->records() != ledger_.All()) throw Violation("what was committed is not what is known");
  for (const CheckpointRecord& record : core_->records().checkpoints) {
    const CheckpointKey key{record.attempt, record.step};
    if (record.state == CheckpointState::kCommitted && !disk_.checkpoints.contains(key)) {
      throw Violation(fmt::format("{} step {} has a row and no folder", key.attempt.str(), key.step));
    }
  }
  for (const JobRecord& job : core_->records().jobs) {
    outcome_.replaced += std::max(job.attempts - 1, 0);
    if (job.kind != JobKind::kTrain || job.state != JobState::kFinished) continue;
    ++outcome_.finished;
    const auto& checkpoints = core_->records().checkpoints;
    const bool whole = std::ranges::any_of(checkpoints, [&](const CheckpointRecord& record) {
      return record.attempt.job == job.id && record.step == kTotalSteps;
    });
    if (!whole) throw Violation(fmt::format("{} finished without its last checkpoint", job.id.str()));
    CheckEpochs(job.id);
  }
}

// Of each, some attempt's row: whatever was lost was trained again.
void Simulation::CheckEpochs(const JobId& job) const {
  std::set<int> epochs;
  for (const EpochRecord& record : core_->records().epochs) {
    if (record.attempt.job == job) epochs.insert(record.epoch);
  }
  if (std::ssize(epochs) != kTotalSteps / kStepsPerEpoch) {
    throw Violation(fmt::format("{} finished with a hole in its epochs", job.str()));
  }
}

// ---- the coordinator ----

void Simulation::StartCoordinator() {
  ++outcome_.restarts;
  std::vector<core::Effect> outstanding;
  core_ = std::make_unique<core::Core>(core::Core::Restore(
      settings_, Generation{++generation_}, edge_.Remember(ledger_.All(), before_.All()), agenda_.now(), outstanding));
  planned_tick_.reset();
  outstanding = edge_.Speak(std::move(outstanding));
  Commit(outstanding);
  core_->CheckInvariants();
  for (const core::Effect& effect : outstanding) {
    if (core_) Perform(effect);
  }
  PlanTick();
}

void Simulation::KillCoordinator() {
  if (!core_) return;
  core_.reset();
  for (auto& [id, connection] : connections_) Break(id);
  const Duration away = chaos_ == Chaos::kOn ? agenda_.Within(seconds(1), seconds(40)) : Duration(seconds(1));
  agenda_.After(away, [this, generation = generation_] {
    if (!core_ && generation_ == generation) StartCoordinator();
  });
}

void Simulation::Handle(const core::Event& event) {
  if (!core_) return;
  for (const core::Event& one : edge_.Hear(event, *core_)) HandleOne(one);
}

void Simulation::HandleOne(const core::Event& event) {
  if (!core_) return;
  ++outcome_.events;
  const bool dies = chaos_ == Chaos::kOn && agenda_.OneIn(mistake_ == Mistake::kAcknowledgesBeforeItCommits ? 50 : 300);
  std::vector<core::Effect> effects = edge_.Speak(core_->Handle(event, agenda_.now()));
  core_->CheckInvariants();
  if (mistake_ == Mistake::kAcknowledgesBeforeItCommits) PerformAcknowledgements(effects);
  if (dies && agenda_.OneIn(3)) return KillCoordinator();  // before its commit
  Commit(effects);
  if (outcome_.events % kWholeComparisonEvery == 0 && core_->records() != ledger_.All()) {
    throw Violation("what was committed is not what is known");
  }
  // It may die before any effect, between two of them or after the last.
  const auto last = dies ? agenda_.Between(0, std::ssize(effects)) : std::ssize(effects);
  for (int64_t i = 0; i < last; ++i) Perform(effects[static_cast<size_t>(i)]);
  if (dies) return one_process_ ? KillEverything() : KillCoordinator();
  if (core_->stopped()) return one_process_ ? KillEverything() : KillCoordinator();
  PlanTick();
}

void Simulation::Commit(const std::vector<core::Effect>& effects) {
  if (mistake_ == Mistake::kRestoresTooOld) before_ = ledger_;
  ledger_.Commit(effects);
}

void Simulation::PlanTick() {
  if (!core_ || mistake_ == Mistake::kNeverTicks) return;
  const std::optional<TimePoint> next = core_->NextDeadline();
  if (!next || (planned_tick_ && *planned_tick_ <= *next)) return;
  planned_tick_ = next;
  agenda_.At(*next, [this, next, generation = generation_] {
    if (!core_ || generation_ != generation || planned_tick_ != next) return;
    planned_tick_.reset();
    Handle(core::Tick{});
  });
}

void Simulation::Answer(std::function<core::Event()> event) {
  agenda_.After(agenda_.Within(milliseconds(1), seconds(3)),
                [this, generation = generation_, event = std::move(event)] {
                  if (core_ && generation_ == generation) Handle(event());
                });
}

std::string Simulation::MaybeAnError() { return chaos_ == Chaos::kOn && agenda_.OneIn(10) ? "the disk is full" : ""; }

void Simulation::Perform(const core::Effect& effect) {
  std::visit(Overloaded{
                 [](const core::Persist&) {},
                 [](const core::Erase&) {},
                 [](const core::Notify&) {},
                 [&](const core::Tell& tell) { Tell(tell); },
                 [&](const core::StartAttempt& start) { Start(start); },
                 [&](const core::CheckInspection& check) {
                   Answer([this, id = check.id] { return core::InspectionChecked{id, MaybeAnError()}; });
                 },
                 [&](const core::DrawSplit& draw) {
                   Answer([this, id = draw.id] { return core::SplitDrawn{id, MaybeAnError()}; });
                 },
                 [&](const core::Combine& combine) {
                   CheckCombination(combine);
                   Answer([this, id = combine.id] { return core::CombinationDone{id, MaybeAnError()}; });
                 },
                 [&](const core::InspectFolders& inspect) { Answer([this, job = inspect.job] { return Look(job); }); },
                 [&](const core::RemoveCheckpoint& remove) {
                   Answer([this, key = remove.key] {
                     const std::string error = MaybeAnError();
                     if (error.empty()) disk_.checkpoints.erase(key);
                     return core::CheckpointRemoved{key, error};
                   });
                 },
                 [&](const core::RemoveEnsembleFolder& remove) { RemoveFolder(remove.id); },
             },
             effect);
}

// Its name is taken away before the coordinator hears of it, which may die between.
void Simulation::RemoveFolder(const EnsembleId& id) {
  const std::string error = MaybeAnError();
  if (error.empty()) {
    std::erase_if(disk_.checkpoints, [&](const CheckpointKey& key) { return key.attempt.job.ensemble == id; });
  }
  Answer([id, error] { return core::EnsembleFolderRemoved{id, error}; });
}

void Simulation::PerformAcknowledgements(const std::vector<core::Effect>& effects) {
  for (const core::Effect& effect : effects) {
    const auto* tell = std::get_if<core::Tell>(&effect);
    const auto* safe = tell == nullptr ? nullptr : std::get_if<protocol::Acknowledge>(&tell->message);
    if (safe != nullptr) workers_.at(tell->worker).HandleAcknowledge(*safe);
  }
}

void Simulation::Tell(const core::Tell& effect) {
  const FakeWorker& worker = workers_.at(effect.worker);
  if (effect.incarnation != worker.incarnation()) return;
  if (const auto* safe = std::get_if<protocol::Acknowledge>(&effect.message)) {
    for (const CheckpointRecord& record : core_->RecordsOf(safe->attempt.job.ensemble).checkpoints) {
      if (record.attempt != safe->attempt) continue;
      int64_t& step = acknowledged_steps_[safe->attempt.job];
      step = std::max(step, record.step);
    }
  }
  ToWorker(effect.worker, [message = effect.message](FakeWorker& to) {
    std::visit(Overloaded{
                   [&](const protocol::Welcome&) { to.HandleWelcome(); },
                   [&](const protocol::GrantSlots& grant) { to.HandleGrant(grant); },
                   [&](const protocol::StopAttempt& stop) { to.HandleStop(stop); },
                   [&](const protocol::Acknowledge& acknowledge) { to.HandleAcknowledge(acknowledge); },
                   [&](const protocol::Refused& refused) { throw Violation("refused: " + refused.reason); },
                   [](const auto&) {},
               },
               message);
  });
}

void Simulation::Start(const core::StartAttempt& effect) {
  CheckProgress(effect);
  for (const SlotId& slot : effect.gang) CheckIsOpen(slot.worker);
  std::map<WorkerId, protocol::GrantSlots> grants;
  for (int rank = 0; const SlotId& slot : effect.gang) {
    protocol::GrantSlots& grant = grants[slot.worker];
    grant.attempt = effect.attempt;
    grant.slots.push_back(slot.index);
    grant.ranks.push_back(rank++);
  }
  const auto is_meant = [&](const WorkerId& id) { return workers_.at(id).incarnation() == effect.incarnations.at(id); };
  for (const auto& [id, grant] : grants) {
    if (is_meant(id)) ToWorker(id, [grant = grant](FakeWorker& to) { to.HandleGrant(grant); });
  }
  const WorkerId& leader = effect.gang.front().worker;
  if (is_meant(leader)) ToWorker(leader, [effect](FakeWorker& to) { to.HandleStart(effect); });
}

void Simulation::CheckIsOpen(const WorkerId& id) const {
  for (const auto& worker : core_->workers()) {
    if (worker.id == id && worker.draining)
      throw Violation(fmt::format("{} {} and was granted more", id, worker.closed));
  }
}

void Simulation::CheckProgress(const core::StartAttempt& effect) const {
  const auto safe = acknowledged_steps_.find(effect.attempt.job);
  const int64_t from = effect.resume_from ? effect.resume_from->step : 0;
  if (safe != acknowledged_steps_.end() && from < safe->second) {
    throw Violation(
        fmt::format("{} goes on from step {}, but step {} was acknowledged", effect.attempt.str(), from, safe->second));
  }
}

void Simulation::CheckCombination(const core::Combine& effect) const {
  if (std::ssize(effect.predictions) != 2 * effect.finished_members || effect.finished_members == 0) {
    throw Violation(fmt::format("{} is combined of {} predictions of {} members", effect.id, effect.predictions.size(),
                                effect.finished_members));
  }
}

// What storage::InspectJobFolders tells: of the newest attempt alone, and only what has no row.
core::FoldersInspected Simulation::Look(const JobId& job) {
  core::FoldersInspected inspected{.job = job, .adopted = {}, .highest_attempt = 0, .unreadable = {}};
  inspected.error = MaybeAnError();
  if (!inspected.error.empty()) return inspected;
  if (const auto highest = disk_.highest_attempt.find(job); highest != disk_.highest_attempt.end()) {
    inspected.highest_attempt = highest->second;
  }
  int newest = inspected.highest_attempt;
  std::set<CheckpointKey> known;
  for (const CheckpointRecord& record : core_->RecordsOf(job.ensemble).checkpoints) {
    if (record.attempt.job != job) continue;
    known.insert({record.attempt, record.step});
    newest = std::max(newest, record.attempt.number);
  }
  if (mistake_ != Mistake::kListensToWorkersAlone) inspected.unheard = Unheard({job, newest});
  for (const CheckpointKey& key : disk_.checkpoints) {
    if (key.attempt != AttemptId{job, newest} || known.contains(key) || disk_.damaged.contains(key)) continue;
    CheckpointRecord record;
    record.attempt = key.attempt;
    record.step = key.step;
    inspected.adopted.push_back(std::move(record));
  }
  AddUnreadable(inspected);
  return inspected;
}

// Of the checkpoints that the next attempt would go on from, the newest first, some have gone bad.
void Simulation::AddUnreadable(core::FoldersInspected& inspected) {
  int64_t whole = 0;  // the step from which it can go on
  const auto checkpoints = core_->RecordsOf(inspected.job.ensemble).checkpoints;
  for (const CheckpointRecord& record : std::views::reverse(checkpoints)) {
    if (record.attempt.job != inspected.job || record.state != CheckpointState::kCommitted) continue;
    const CheckpointKey key{record.attempt, record.step};
    if (!inspected.adopted.empty()) {
      const CheckpointRecord& adopted = inspected.adopted.back();
      if (CheckpointKey{adopted.attempt, adopted.step} > key) {
        whole = adopted.step;
        break;
      }
    }
    if (chaos_ == Chaos::kOn && agenda_.OneIn(10)) disk_.damaged.insert(key);
    if (!disk_.damaged.contains(key)) {
      whole = record.step;
      break;
    }
    inspected.unreadable.push_back({key, "its hash is not the one that was recorded"});
  }
  // What was safe is lost after all.
  if (!inspected.unreadable.empty()) acknowledged_steps_[inspected.job] = whole;
}

std::vector<protocol::AttemptEvent> Simulation::Unheard(const AttemptId& id) const {
  int64_t acknowledged = 0;
  for (const AttemptRecord& record : core_->RecordsOf(id.job.ensemble).attempts) {
    if (record.id == id) acknowledged = record.acknowledged;
  }
  const auto found = disk_.events.find(id);
  if (found == disk_.events.end()) return {};
  std::vector<protocol::AttemptEvent> unheard = found->second;
  std::erase_if(unheard, [&](const protocol::AttemptEvent& event) { return event.sequence <= acknowledged; });
  return unheard;
}

// ---- the network ----

Duration Simulation::Delay() {
  return chaos_ == Chaos::kOn && agenda_.OneIn(20) ? agenda_.Within(milliseconds(100), seconds(5))
                                                   : agenda_.Within(milliseconds(1), milliseconds(50));
}

void Simulation::Connect(FakeWorker& worker) {
  Connection& connection = connections_.at(worker.id());
  if (connection.up || !worker.alive()) return;
  if (!core_) {
    agenda_.After(agenda_.Within(milliseconds(100), seconds(2)), [this, &worker] { Connect(worker); });
    return;
  }
  connection.up = true;
  connection.silent = false;
  ++connection.number;
  connection.to_coordinator = connection.to_worker = agenda_.now();
  FromWorkerTo(worker.id(), worker.MakeHello());
}

void Simulation::Break(const WorkerId& id) {
  Connection& connection = connections_.at(id);
  if (!connection.up) return;
  connection.up = false;
  FakeWorker& worker = workers_.at(id);
  worker.HandleConnectionLost();
  const int number = connection.number;
  const Incarnation incarnation = worker.incarnation();
  // The coordinator may notice late, even after the worker came back: then it is no news.
  agenda_.After(agenda_.Within(milliseconds(1), seconds(8)), [this, id, number, incarnation] {
    if (connections_.at(id).known == number) Handle(core::WorkerDisconnected{id, incarnation});
  });
  const Duration away =
      agenda_.OneIn(4) ? agenda_.Within(seconds(5), seconds(40)) : agenda_.Within(milliseconds(10), seconds(3));
  agenda_.After(away, [this, &worker] { Connect(worker); });
}

void Simulation::FromWorkerTo(const WorkerId& id, protocol::FromWorker message) {
  Connection& connection = connections_.at(id);
  if (!connection.up || connection.silent) return;
  if (mistake_ == Mistake::kLosesFreedSlots && std::holds_alternative<protocol::SlotsFree>(message)) return;
  const Incarnation incarnation = workers_.at(id).incarnation();
  connection.to_coordinator = std::max(connection.to_coordinator, agenda_.now() + Delay());
  agenda_.At(connection.to_coordinator, [this, id, number = connection.number, incarnation, message] {
    if (connections_.at(id).number == number && connections_.at(id).up) Deliver(id, number, incarnation, message);
  });
}

void Simulation::Deliver(const WorkerId& id, int connection, Incarnation incarnation,
                         const protocol::FromWorker& message) {
  if (!core_) return;
  if (const auto* hello = std::get_if<protocol::Hello>(&message)) {
    connections_.at(id).known = connection;
    return Handle(core::WorkerJoined{*hello});
  }
  MaybeRepeat(id, incarnation, message);
  Handle(core::WorkerSaid{id, incarnation, message});
  const auto* started = std::get_if<protocol::AttemptStarted>(&message);
  if (mistake_ == Mistake::kFreesSlotsTooEarly && started != nullptr) {
    Handle(core::WorkerSaid{id, incarnation, protocol::SlotsFree{started->attempt, {0, 1, 2, 3}}});
  }
}

// The same once more, when it likes: late, out of order, over connections and processes long gone.
void Simulation::MaybeRepeat(const WorkerId& id, Incarnation incarnation, const protocol::FromWorker& message) {
  if (chaos_ == Chaos::kOff || !agenda_.OneIn(20)) return;
  agenda_.After(agenda_.Within(milliseconds(1), seconds(60)), [this, id, incarnation, message] {
    Handle(core::WorkerSaid{id, incarnation, message});
  });
}

void Simulation::ToWorker(const WorkerId& id, std::function<void(FakeWorker&)> message) {
  Connection& connection = connections_.at(id);
  if (!connection.up || connection.silent || connection.known != connection.number) return;
  connection.to_worker = std::max(connection.to_worker, agenda_.now() + Delay());
  agenda_.At(connection.to_worker, [this, id, number = connection.number, message = std::move(message)] {
    if (connections_.at(id).number == number && connections_.at(id).up) message(workers_.at(id));
  });
}

void Simulation::Heartbeat(const WorkerId& id) {
  if (workers_.at(id).alive()) FromWorkerTo(id, protocol::Heartbeat{});
  agenda_.After(kHeartbeat, [this, id] { Heartbeat(id); });
}

// ---- what goes wrong ----

void Simulation::Disturb() {
  if (chaos_ == Chaos::kOff) return;
  const WorkerId victim = AnyWorker();
  switch (agenda_.Between(1, 11)) {
    case 1:
      one_process_ ? KillEverything() : KillWorker(workers_.at(victim));
      break;
    case 2:
    case 3:
      if (!one_process_) Break(victim);
      break;
    case 4:
      if (!one_process_) Freeze(victim);
      break;
    case 5:
      if (!one_process_) Silence(victim);
      break;
    case 6:
      Part(victim, AnyWorker());
      break;
    case 7:
      if (!one_process_) AskToLeave(victim);
      break;
    case 8:
      Drain(victim);
      break;
    case 9:
      for (int64_t lies = agenda_.Between(1, 5); lies > 0; --lies) Lie(workers_.at(victim));
      break;
    default:
      break;
  }
  agenda_.After(agenda_.Within(seconds(1), seconds(30)), [this] { Disturb(); });
}

void Simulation::KillWorker(FakeWorker& worker) {
  if (!worker.alive()) return;
  Break(worker.id());
  worker.Die();
  agenda_.After(agenda_.Within(milliseconds(100), seconds(60)), [this, &worker] {
    if (worker.alive()) return;
    worker.Rise();
    Connect(worker);
  });
}

WorkerId Simulation::AnyWorker() {
  auto any = workers_.begin();
  std::advance(any, agenda_.Between(0, std::ssize(workers_) - 1));
  return any->first;
}

// It stalls, or the network towards it or from it. Never is anything sooner than what is on its way already: a channel
// keeps the order.
void Simulation::Freeze(const WorkerId& id) {
  Connection& connection = connections_.at(id);
  const TimePoint until = agenda_.now() + agenda_.Within(seconds(10), seconds(60));
  const int64_t which = agenda_.Between(1, 3);
  if (which != 1) connection.to_coordinator = std::max(connection.to_coordinator, until);
  if (which != 2) connection.to_worker = std::max(connection.to_worker, until);
}

// What both say from now on is lost, until somebody notices that the connection is dead.
void Simulation::Silence(const WorkerId& id) {
  Connection& connection = connections_.at(id);
  if (!connection.up) return;
  connection.silent = true;
  agenda_.After(agenda_.Within(seconds(1), seconds(60)), [this, id, number = connection.number] {
    if (connections_.at(id).number == number) Break(id);
  });
}

// Their ranks lose each other after a while, also where the network is whole again by then.
void Simulation::Part(const WorkerId& one, const WorkerId& other) {
  if (one == other) return;
  TimePoint& until = parted_[{one, other}];
  until = std::max(until, agenda_.now() + agenda_.Within(seconds(1), seconds(60)));
  for (const WorkerId& leader : {one, other}) {
    for (const AttemptId& attempt : workers_.at(leader).SharedWith(leader == one ? other : one)) {
      ++outcome_.parted;
      agenda_.After(agenda_.Within(seconds(1), seconds(20)),
                    [this, leader, attempt] { workers_.at(leader).HandleRankGone(attempt); });
    }
  }
}

bool Simulation::AreParted(const WorkerId& one, const WorkerId& other) const {
  const auto found = parted_.find({one, other});
  return found != parted_.end() && found->second > agenda_.now();
}

// Word of it comes late where the network is broken.
void Simulation::EndRanks(const WorkerId& ended, const AttemptId& attempt, const std::vector<SlotId>& gang) {
  std::set<WorkerId> members;
  for (const SlotId& slot : gang) members.insert(slot.worker);
  for (const WorkerId& id : members) {
    const TimePoint from = AreParted(ended, id) ? parted_.at({ended, id}) : agenda_.now();
    agenda_.At(from + agenda_.Within(milliseconds(1), seconds(2)), [this, id, attempt] {
      workers_.at(id).HandleGangEnded(attempt);
      workers_.at(id).HandleRankGone(attempt);
    });
  }
}

void Simulation::AskToLeave(const WorkerId& id) {
  FakeWorker& worker = workers_.at(id);
  if (!worker.alive()) return;
  ++outcome_.left;
  worker.Leave();
  agenda_.After(agenda_.Within(seconds(1), seconds(30)), [this, &worker, process = worker.incarnation()] {
    if (worker.incarnation() == process) KillWorker(worker);
  });
}

void Simulation::Drain(const WorkerId& id) {
  using Drain = core::WorkerDrained::Drain;
  Handle(core::WorkerDrained{
      id, agenda_.Within(seconds(0), seconds(1)) < milliseconds(500) ? Drain::kFinish : Drain::kCheckpoint});
  agenda_.After(agenda_.Within(seconds(1), seconds(60)), [this, id] { TakeBack(id); });
}

// Whoever wants a worker back asks until a coordinator is there that does it: a drain outlives one that dies.
void Simulation::TakeBack(const WorkerId& id) {
  Handle(core::WorkerDrained{id, core::WorkerDrained::Drain::kEnd});
  const Records known = ledger_.All();
  const bool drained = std::ranges::find(known.drains, id, &DrainRecord::worker) != known.drains.end();
  if (drained || !core_) agenda_.After(seconds(5), [this, id] { TakeBack(id); });
}

// It tells of attempts that it does not lead, or as a process that it is not.
void Simulation::Lie(const FakeWorker& worker) {
  if (!core_ || core_->records().attempts.empty()) return;
  ++outcome_.lies;
  if (agenda_.OneIn(10)) {
    protocol::Hello hello = worker.MakeHello();
    --hello.incarnation.value;
    return Handle(core::WorkerJoined{hello});
  }
  const auto& attempts = core_->records().attempts;
  AttemptId about = attempts[static_cast<size_t>(agenda_.Between(0, std::ssize(attempts) - 1))].id;
  if (agenda_.OneIn(5)) about.number += static_cast<int>(agenda_.Between(-1, 2));
  const auto record = std::ranges::find(attempts, about, &AttemptRecord::id);
  const bool concerns_it =
      record != attempts.end() && std::ranges::count(record->gang, worker.id(), &SlotId::worker) > 0;
  Incarnation as = worker.incarnation();
  if (concerns_it || agenda_.OneIn(3)) ++as.value;  // the one before it may still be the one that is known
  Handle(core::WorkerSaid{worker.id(), as, ALie(about)});
}

protocol::FromWorker Simulation::ALie(const AttemptId& id) {
  const int64_t sequence = agenda_.Between(0, 2000);
  switch (agenda_.Between(1, 7)) {
    case 1:
      return protocol::AttemptStarted{id};
    case 2:
      return protocol::AttemptFailedToStart{id, "a lie"};
    case 3:
      return protocol::AttemptExited{id, static_cast<int>(agenda_.Between(0, 80)), ""};
    case 4:
      return protocol::AttemptEvent{id, sequence, protocol::Finished{kTotalSteps, 1}};
    case 5: {
      protocol::CheckpointWritten written;
      written.step = kTotalSteps;
      return protocol::AttemptEvent{id, sequence, written};
    }
    case 6:
      return protocol::AttemptEvent{id, sequence, protocol::Inspected{}};
    default:
      return protocol::SlotsFree{id, {-1, 0, 1, 2, 3, 99}};
  }
}

void Simulation::KillEverything() {
  KillCoordinator();
  for (auto& [id, worker] : workers_) KillWorker(worker);
}

void Simulation::ActAsUser() {
  if (chaos_ == Chaos::kOff) return;
  const EnsembleId& id = ensembles_.at(static_cast<size_t>(agenda_.Between(0, std::ssize(ensembles_) - 1)));
  switch (agenda_.Between(1, 12)) {
    case 1:
      Handle(core::EnsembleCancelled{id});
      break;
    case 2:
      Handle(core::StopRequested{});
      break;
    case 3:
    case 4:
    case 5:
      Handle(core::EnsembleResumed{id});
      break;
    case 6:
      Remove(id);
      break;
    default:
      break;
  }
  agenda_.After(agenda_.Within(seconds(5), seconds(60)), [this] { ActAsUser(); });
}

void Simulation::Submit(const core::EnsembleSubmitted& submitted) {
  if (!removed_.contains(submitted.id)) Handle(submitted);  // a number is given once
}

void Simulation::Remove(const EnsembleId& id) {
  Handle(core::EnsembleRemoved{id});
  for (const EnsembleRecord& one : ledger_.All().ensembles) {
    if (one.id == id && one.state == EnsembleState::kRemoving) removed_.insert(id);
  }
}

void Simulation::Resume() {
  if (core_ && AllEnded()) return;
  std::vector<core::Event> wanted;
  if (core_) {
    for (const EnsembleRecord& one : core_->records().ensembles) {
      if (one.state == EnsembleState::kStopped) wanted.push_back(core::EnsembleResumed{one.id});
      if (one.state == EnsembleState::kRemoving) wanted.push_back(core::EnsembleRemoved{one.id});
    }
  }
  for (const core::Event& event : wanted) Handle(event);
  agenda_.After(seconds(20), [this] { Resume(); });
}

}  // namespace tutti::sim
