#include "tests/coordinator/core/stage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>

namespace tutti::core {

protocol::EpochDone EpochAt(int epoch, int64_t step) {
  protocol::EpochDone done;
  done.epoch = epoch;
  done.step = step;
  return done;
}

protocol::CheckpointWritten CheckpointAt(int64_t step, std::optional<double> validation_loss) {
  protocol::CheckpointWritten written;
  written.step = step;
  written.folder = "members/m/attempt-1/step-" + std::to_string(step);
  written.manifest_hash = "hash";
  written.validation_loss = validation_loss;
  return written;
}

protocol::PredictionsWritten PredictionsOf(Split split, int64_t step) {
  return {"last", split, "predictions/last/" + std::string(Name(split)), 10, step};
}

Stage::Stage(Settings settings) : core(settings, Generation{1}), settings_(settings) {}

void Stage::Handle(const Event& event) { Take(core.Handle(event, now)); }

void Stage::Take(std::vector<Effect> made) {
  ledger.Commit(made);
  for (const Effect& effect : made) {
    if (const auto* start = std::get_if<StartAttempt>(&effect)) gangs_[start->attempt] = start->gang;
    if (const auto* look = std::get_if<InspectFolders>(&effect)) to_look_at_.push_back(look->job);
  }
  effects.insert(effects.end(), made.begin(), made.end());
  core.CheckInvariants();
  ASSERT_EQ(core.records(), ledger.All()) << "what is persisted is not what is known";
  for (const Effect& effect : made) {
    if (const auto* check = std::get_if<CheckInspection>(&effect))
      Handle(InspectionChecked{check->id, inspection_lost});
  }
}

void Stage::Pass(Duration duration) {
  now += duration;
  Handle(Tick{});
}

void Stage::Restart() {
  std::vector<Effect> outstanding;
  ++generation_.value;
  to_look_at_.clear();
  core = Core::Restore(settings_, generation_, ledger.All(), now, outstanding);
  Take(std::move(outstanding));
}

void Stage::Submit(const std::vector<MemberSketch>& members, std::optional<int> minimum_members) {
  Handle(EnsembleSubmitted{kEnsemble, ExperimentOf(members, minimum_members), "hash"});
}

void Stage::Join(const std::string& worker, int slots, std::vector<protocol::RunningAttempt> running, int incarnation,
                 const std::string& domain, uint64_t slot_memory_bytes) {
  protocol::Hello hello;
  hello.worker = WorkerId(worker);
  hello.incarnation = Incarnation{incarnation};
  hello.launch_domain = domain;
  hello.slots = slots;
  hello.slot_memory_bytes = slot_memory_bytes;
  hello.running = std::move(running);
  Handle(WorkerJoined{std::move(hello)});
}

void Stage::Disconnect(const std::string& worker, int incarnation) {
  Handle(WorkerDisconnected{WorkerId(worker), Incarnation{incarnation}});
}

void Stage::Drain(const std::string& worker, bool drain) {
  Handle(WorkerDrained{WorkerId(worker), drain ? WorkerDrained::Drain::kFinish : WorkerDrained::Drain::kEnd});
}

void Stage::Say(const std::string& worker, protocol::FromWorker message, int incarnation) {
  Handle(WorkerSaid{WorkerId(worker), Incarnation{incarnation}, std::move(message)});
}

void Stage::Start(const AttemptId& attempt) {
  Say(gangs_.at(attempt).front().worker.str(), protocol::AttemptStarted{attempt});
}

void Stage::Report(const AttemptId& attempt, protocol::TrainerEvent event) {
  const int64_t sequence = sequences_[attempt] += 100;
  Say(gangs_.at(attempt).front().worker.str(), protocol::AttemptEvent{attempt, sequence, std::move(event)});
}

void Stage::Exit(const AttemptId& attempt, int exit_code) {
  Say(gangs_.at(attempt).front().worker.str(), protocol::AttemptExited{attempt, exit_code, "a line\nlast words\n"});
}

void Stage::Free(const AttemptId& attempt) {
  std::map<WorkerId, std::vector<int>> slots;
  for (const SlotId& slot : gangs_.at(attempt)) slots[slot.worker].push_back(slot.index);
  for (const auto& [worker, indexes] : slots) Say(worker.str(), protocol::SlotsFree{attempt, indexes});
}

void Stage::End(const AttemptId& attempt, int exit_code) {
  Exit(attempt, exit_code);
  Free(attempt);
}

void Stage::Fail(const AttemptId& attempt, const std::string& error, int exit_code) {
  Report(attempt, protocol::Failed{error});
  End(attempt, exit_code);
}

void Stage::Inspect(int attempt) {
  const AttemptId id = AttemptOf(kInspectJob, attempt);
  Start(id);
  protocol::Inspected inspected;
  inspected.training_samples = 100;
  inspected.classes = 10;
  inspected.data_hash = "data";
  inspected.file = "members/.inspect/attempt-1/labels.safetensors";
  Report(id, inspected);
  Report(id, protocol::Finished{});
  End(id, protocol::kExitFinished);
  Handle(SplitDrawn{kEnsemble, ""});
}

void Stage::FinishMember(const AttemptId& attempt, int64_t step) {
  Start(attempt);
  Report(attempt, CheckpointAt(step));
  Report(attempt, PredictionsOf(Split::kValidation, step));
  Report(attempt, PredictionsOf(Split::kTest, step));
  Report(attempt, protocol::Finished{step, 1.0});
  End(attempt, protocol::kExitFinished);
}

void Stage::LookAtFolders() {
  for (const JobId& job : std::exchange(to_look_at_, {})) Handle(FoldersInspected{job, {}, 0});
}

std::vector<AttemptId> Stage::StartedAttempts() const {
  std::vector<AttemptId> ids;
  for (const StartAttempt& start : Asked<StartAttempt>()) ids.push_back(start.attempt);
  return ids;
}

EnsembleRecord Stage::ensemble() const { return core.RecordsOf(kEnsemble).ensembles.at(0); }

JobRecord Stage::job(const std::string& name) const {
  for (const JobRecord& record : core.records().jobs) {
    if (record.id == JobNamed(name)) return record;
  }
  ADD_FAILURE() << "no job " << name;
  return {};
}

AttemptRecord Stage::attempt(const AttemptId& id) const {
  for (const AttemptRecord& record : core.records().attempts) {
    if (record.id == id) return record;
  }
  ADD_FAILURE() << "no attempt " << id.str();
  return {};
}

std::vector<CheckpointKey> Stage::committed() const {
  std::vector<CheckpointKey> keys;
  for (const CheckpointRecord& record : core.records().checkpoints) {
    if (record.state == CheckpointState::kCommitted) keys.push_back({record.attempt, record.step});
  }
  return keys;
}

Stage RunningOnN1(const std::vector<MemberSketch>& members) {
  Stage stage;
  stage.Submit(members);
  stage.Join("n1", 1);
  stage.Inspect();
  stage.Start(kFirst);
  stage.Report(kFirst, CheckpointAt(10));
  stage.Forget();
  return stage;
}

}  // namespace tutti::core
