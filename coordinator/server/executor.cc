#include "coordinator/server/executor.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <utility>

#include "common/protocol/event_follower.h"
#include "coordinator/server/combine.h"
#include "coordinator/server/ensemble_files.h"
#include "coordinator/server/file_store.h"
#include "coordinator/server/new_ensemble.h"
#include "coordinator/server/provenance.h"
#include "coordinator/server/tasks.h"
#include "coordinator/server/views.h"
#include "storage/checkpoints/adoption.h"
#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;

std::optional<storage::Change> ChangeOf(const core::Effect& effect) {
  if (const auto* persist = std::get_if<core::Persist>(&effect)) return storage::Change(persist->record);
  if (const auto* erase = std::get_if<core::Erase>(&effect)) return storage::Change(erase->key);
  return std::nullopt;
}

// The words of an outcome: none when it went well.
std::string TextOf(const Result<void>& outcome) { return outcome ? "" : outcome.error().Text(); }

// A record for people: nothing that is trained or answered depends on it.
void WriteProvenance(FileSystem& files, const fs::path& folder, const Json& provenance) {
  const fs::path path = folder / "provenance.json";
  const auto written = WriteFileDurably(files, path, WithFilesAndTrainers(files, folder, provenance).dump(2) + "\n");
  if (!written) spdlog::warn("{} cannot be written: {}", path.string(), written.error().Text());
}

Result<void> DrawAndWriteSplit(FileSystem& files, const fs::path& folder, const spec::DataSpec& data,
                               const std::string& inspection_file) {
  TUTTI_ASSIGN_OR_RETURN(const Inspection inspection, ReadInspection(files, folder, inspection_file));
  const protocol::Inspected& found = inspection.report;
  StoredSplit split;
  TUTTI_ASSIGN_OR_RETURN(split.ids, DrawSplit(found.training_samples, found.test_samples, data));
  split.inspection = inspection_file;
  split.classes = found.classes;
  return WriteSplit(files, folder, split);
}

// Errors: what is gone or damaged for good. A disk that does not give it now is told by who needs it.
Result<void> LookForInspection(const FileSystem& files, const fs::path& folder) {
  const auto split = ReadSplit(files, folder);
  const auto inspection = split ? ReadInspection(files, folder, split->inspection)
                                : Result<Inspection>(tl::unexpected<Error>(split.error()));
  if (inspection || inspection.error().code == ErrorCode::kIo || inspection.error().code == ErrorCode::kDenied) {
    return {};
  }
  return tl::unexpected<Error>(inspection.error());
}

Result<void> CombineAndWrite(FileSystem& files, CombineRequest request, const KnownExperiment& experiment,
                             const Json& provenance) {
  request.spec = experiment.spec();
  WriteProvenance(files, request.folder, provenance);
  return CombineMembers(files, request);
}

// A trainer would only say that there is no such file.
Result<void> CheckWeights(const FileSystem& files, const protocol::Task& task) {
  if (!task.member || !task.member->weights || task.resume_from) return {};
  const auto found = files.Stat(*task.member->weights);
  if (found || found.error().code != ErrorCode::kNotFound) return {};
  return Fail(
      ErrorCode::kNotFound,
      "{}, the ensemble's copy of the weights that it begins with, is gone; names.json beside it says where the "
      "file lay: copy it there again, under this name, then `tutti resume {}`",
      task.member->weights->string(), task.attempt.job.ensemble);
}

// Before a replacement is granted all attempts have ended: what they left half written is garbage. A run by hand may be
// at work still.
void RemoveTemporaryOf(storage::CheckpointStore& store, const JobId& job, int highest_attempt) {
  for (int number = 1; number <= highest_attempt; ++number) {
    if (!store.IsPrepared({job, number}).value_or(false)) continue;
    const auto removed = store.RemoveTemporary({job, number});
    if (!removed) spdlog::warn("what {} left half written stays: {}", job.str(), removed.error().Text());
  }
}

// What the attempt's trainer has written beyond the offset that was acknowledged.
Result<std::vector<protocol::AttemptEvent>> ReadUnheard(const FileSystem& files, const fs::path& folder,
                                                        const AttemptId& attempt, int64_t acknowledged) {
  protocol::EventFollower follower(files, folder / storage::AttemptFolder(attempt) / "events.jsonl");
  follower.GoTo(acknowledged);
  std::vector<protocol::AttemptEvent> unheard;
  do {
    TUTTI_ASSIGN_OR_RETURN(std::vector<protocol::FollowedEvent> piece, follower.Next());
    for (auto& [sequence, event] : piece) unheard.push_back({attempt, sequence, std::move(event)});
  } while (!follower.at_end());
  return unheard;
}

// What is recorded of a job before its folders are looked at.
struct KnownOfJob {
  std::vector<CheckpointRecord> checkpoints;
  std::map<AttemptId, int64_t> acknowledged;
};

Result<core::FoldersInspected> InspectFoldersOf(FileSystem& files, const fs::path& folder, const JobId& job,
                                                const KnownOfJob& known) {
  core::FoldersInspected inspected;
  inspected.job = job;
  storage::CheckpointStore store(files, folder);
  TUTTI_ASSIGN_OR_RETURN(storage::JobFolders found, storage::InspectJobFolders(store, job, known.checkpoints));
  // After the checkpoints: each epoch is said before its checkpoint is there.
  const AttemptId newest{job, found.highest_prepared};
  const auto heard = known.acknowledged.find(newest);
  const int64_t acknowledged = heard == known.acknowledged.end() ? 0 : heard->second;
  TUTTI_ASSIGN_OR_RETURN(inspected.unheard, ReadUnheard(files, folder, newest, acknowledged));
  for (const auto& quarantined : found.quarantined) {
    spdlog::warn("left alone and not used: {} ({})", quarantined.folder.string(), quarantined.reason);
  }
  RemoveTemporaryOf(store, job, found.highest_attempt);
  inspected.adopted = std::move(found.adopted);
  inspected.highest_attempt = found.highest_attempt;
  for (auto& [row, reason] : found.unreadable) {
    inspected.unreadable.push_back({{row.attempt, row.step}, std::move(reason)});
  }
  return inspected;
}

}  // namespace

Executor::Executor(Surroundings surroundings, storage::Catalog& catalog, core::Core core)
    : here_(std::move(surroundings)),
      catalog_(catalog),
      core_(std::move(core)),
      workers_(catalog.generation(), [this](core::Event event) { Submit(std::move(event)); }),
      feed_(catalog.generation()) {
  for (const EnsembleRecord& ensemble : core_.records().ensembles) ensembles_[ensemble.id] = ensemble;
  for (const AttemptRecord& attempt : core_.records().attempts) tally_.Know(attempt);
}

Result<void> Executor::Begin(std::vector<core::Effect> outstanding) {
  TUTTI_RETURN_IF_ERROR(Apply(std::move(outstanding)));
  for (const EnsembleId& id : FindSetAside(*here_.files, here_.home)) {
    DeleteRemoved(id, [](const Result<void>& deleted) {
      if (!deleted) spdlog::warn("a removed ensemble's files stay behind: {}", deleted.error().Text());
    });
  }
  for (const fs::path& draft : FindDrafts(*here_.files, here_.home)) {
    here_.disk([files = here_.files, draft] {
      const auto removed = files->RemoveAll(draft);
      if (!removed) spdlog::warn("what a submission that was cut short left stays behind: {}", removed.error().Text());
    });
  }
  TidyFiles(*here_.files, here_.home, Now());
  if (const auto deadline = core_.NextDeadline()) here_.wake_at(*deadline);
  return {};
}

void Executor::Submit(core::Event event, std::function<void()> committed, std::optional<SubmissionKey> key) {
  if (failed_) return;
  queue_.push_back({std::move(event), std::move(committed), std::move(key)});
  Schedule();
}

void Executor::Schedule() {
  if (std::exchange(scheduled_, true)) return;
  // Behind what is queued by now, and behind what that turn of the loop reads from workers: one commit for more of it.
  here_.events([this] {
    here_.events([this] {
      scheduled_ = false;
      Flush();
    });
  });
}

void Executor::Flush() {
  if (failed_ || queue_.empty()) return;
  try {
    HandleQueued();
  } catch (const std::exception& error) {
    // Memory may be ahead of the disk: whoever asked must not be the one to catch it and go on.
    Fail(Error{ErrorCode::kInternal, fmt::format("the coordinator broke down: {}", error.what()), nullptr});
  }
}

void Executor::HandleQueued() {
  const std::vector<Queued> batch = std::exchange(queue_, {});
  std::vector<core::Effect> effects;
  std::vector<storage::Change> keys;
  for (const Queued& queued : batch) {
    if (queued.key) keys.push_back(*queued.key);
    Notice(queued.event);
    auto wanted = core_.Handle(queued.event, here_.clock->Now());
    std::move(wanted.begin(), wanted.end(), std::back_inserter(effects));
  }
  auto applied = Apply(std::move(effects), std::move(keys));
  if (!applied) return Fail(std::move(applied.error()));
  for (const Queued& queued : batch) {
    if (queued.committed) queued.committed();
  }
  feed_.Tell();
  if (const auto deadline = core_.NextDeadline()) here_.wake_at(*deadline);
  if (core_.stopped() && !std::exchange(told_stopped_, true)) here_.stopped();
}

// What the server wants to know of an event itself.
void Executor::Notice(const core::Event& event) {
  if (std::holds_alternative<core::StopRequested>(event)) stopping_ = true;
  const auto* said = std::get_if<core::WorkerSaid>(&event);
  if (said == nullptr) return;
  const auto* line = std::get_if<protocol::AttemptEvent>(&said->message);
  if (line == nullptr) return;
  if (const auto* started = std::get_if<protocol::Started>(&line->event)) {
    started_[line->attempt.job] = {line->attempt, *started};
  }
}

// `changes` are committed beside those that the effects are.
Result<void> Executor::Apply(std::vector<core::Effect> effects, std::vector<storage::Change> changes) {
  size_t inward = 0;
  for (const core::Effect& effect : effects) {
    auto change = ChangeOf(effect);
    if (!change) continue;
    changes.push_back(std::move(*change));
    ++inward;
  }
  if (!changes.empty()) {
    auto committed = catalog_.Commit(changes);
    if (!committed) return FailBecause(std::move(committed.error()), "the catalog cannot be written");
  }
  for (const storage::Change& change : changes) Remember(change);
  if (inward == effects.size()) return {};
  // A commit has looked at its end.
  TUTTI_ASSIGN_OR_RETURN(const bool newest, changes.empty() ? catalog_.IsNewest() : Result<bool>(true));
  if (!newest) {
    return tutti::Fail(ErrorCode::kConflict, "another coordinator has taken over {}: this one leaves it alone",
                       here_.home.string());
  }
  for (const core::Effect& effect : effects) {
    std::visit([this](const auto& wanted) { Perform(wanted); }, effect);
  }
  return {};
}

void Executor::Remember(const storage::Change& change) {
  if (const auto* record = std::get_if<Record>(&change)) {
    if (const auto* ensemble = std::get_if<EnsembleRecord>(record)) {
      ensembles_[ensemble->id] = *ensemble;
      if (ensemble->state != EnsembleState::kRunning) experiments_.Forget(ensemble->id);
    }
    if (const auto* attempt = std::get_if<AttemptRecord>(record)) tally_.Note(*attempt);
  } else if (const auto* erasure = std::get_if<Erasure>(&change)) {
    const auto* id = std::get_if<EnsembleId>(erasure);
    if (id == nullptr) return;
    ensembles_.erase(*id);
    experiments_.Forget(*id);
    classes_.erase(*id);
    std::erase_if(started_, [&](const auto& entry) { return entry.first.ensemble == *id; });
  }
}

void Executor::Fail(Error error) {
  failed_ = true;
  queue_.clear();
  here_.failed(std::move(error));
}

Live Executor::LiveOf(const Records& ensemble) const {
  Live live;
  for (const JobRecord& job : ensemble.jobs) {
    LiveJob& entry = live[job.id];
    const auto started = started_.find(job.id);
    if (started != started_.end() && started->second.first.number == job.attempts)
      entry.started = started->second.second;
    if (const auto* progress = core_.progress(job.id)) entry.progress = *progress;
  }
  for (const EnsembleRecord& one : ensemble.ensembles) {
    for (auto& [job, reason] : core_.WhyWaiting(one.id)) live[job].reason = std::move(reason);
  }
  return live;
}

void Executor::SubmitFromDisk(std::function<core::Event()> work) {
  here_.disk([this, work = std::move(work)] { here_.events([this, event = work()] { Submit(event); }); });
}

void Executor::Perform(const core::Tell& effect) { workers_.Tell(effect.worker, effect.incarnation, effect.message); }

void Executor::Perform(const core::StartAttempt& effect) {
  auto task = PrepareTask(effect);
  if (!task) return RefuseStart(effect, task.error());
  for (const auto& [worker, grant] : GrantsOf(effect.attempt, effect.gang)) {
    workers_.Tell(worker, effect.incarnations.at(worker), grant);
  }
  const WorkerId& leader = effect.gang.front().worker;
  workers_.Tell(leader, effect.incarnations.at(leader),
                protocol::StartAttempt{effect.attempt, std::move(*task), effect.gang, HostsOf(effect)});
}

std::vector<std::string> Executor::HostsOf(const core::StartAttempt& effect) const {
  std::vector<std::string> hosts;
  for (const SlotId& slot : effect.gang) {
    const auto* worker = workers_.Find(slot.worker, effect.incarnations.at(slot.worker));
    hosts.push_back(worker != nullptr ? worker->host : "");
  }
  return hosts;
}

Result<protocol::Task> Executor::PrepareTask(const core::StartAttempt& effect) {
  const auto ensemble = ensembles_.find(effect.attempt.job.ensemble);
  TUTTI_CHECK(ensemble != ensembles_.end());
  // Else it would be made anew with nothing in it but this attempt.
  const std::string gone = ProblemOfFolder(*here_.files, here_.home, ensemble->second);
  if (!gone.empty()) return tutti::Fail(ErrorCode::kNotFound, "{}", gone);
  TaskInput input{here_.home, effect, &ensemble->second, nullptr, "", 0, 1};
  TUTTI_ASSIGN_OR_RETURN(const auto experiment, experiments_.Of(ensemble->second));
  input.experiment = experiment.get();
  const WorkerId& name = effect.gang.front().worker;
  if (const auto* leader = workers_.Find(name, effect.incarnations.at(name))) input.threads = leader->threads_per_slot;
  if (effect.kind == JobKind::kTrain) {
    TUTTI_ASSIGN_OR_RETURN(input.classes, ClassesOf(ensemble->first));
  }
  if (const auto& from = effect.resume_from) {
    input.resume_folder = (storage::AttemptFolder(from->attempt) / storage::StepFolderName(from->step)).string();
  }
  TUTTI_ASSIGN_OR_RETURN(protocol::Task task, MakeTask(input));
  TUTTI_RETURN_IF_ERROR(CheckWeights(*here_.files, task));
  TUTTI_RETURN_IF_ERROR(PrepareAttempt(*here_.files, task));
  return task;
}

Result<int> Executor::ClassesOf(const EnsembleId& id) {
  const auto known = classes_.find(id);
  if (known != classes_.end()) return known->second;
  TUTTI_ASSIGN_OR_RETURN(const StoredSplit split, ReadSplit(*here_.files, FolderOf(id)));
  return classes_[id] = split.classes;
}

// The workers never heard of the attempt, so that their slots are free is said here.
void Executor::RefuseStart(const core::StartAttempt& effect, const Error& error) {
  Submit(core::StartRefused{effect.attempt, error.Text()});
  for (const auto& [worker, grant] : GrantsOf(effect.attempt, effect.gang)) {
    Submit(core::WorkerSaid{worker, effect.incarnations.at(worker), protocol::SlotsFree{effect.attempt, grant.slots}});
  }
}

void Executor::Perform(const core::CheckInspection& effect) {
  SubmitFromDisk([files = here_.files, folder = FolderOf(effect.id), effect] {
    return core::InspectionChecked{effect.id, TextOf(LookForInspection(*files, folder))};
  });
}

void Executor::Perform(const core::DrawSplit& effect) {
  const auto experiment = experiments_.Of(ensembles_.at(effect.id));
  if (!experiment) return Submit(core::SplitDrawn{effect.id, experiment.error().Text()});
  SubmitFromDisk([files = here_.files, folder = FolderOf(effect.id), experiment = *experiment, effect,
                  provenance = Provenance(core_.RecordsOf(effect.id), effect.id)] {
    const auto drawn = DrawAndWriteSplit(*files, folder, experiment->spec().data, effect.inspection);
    if (drawn) WriteProvenance(*files, folder, provenance);
    return core::SplitDrawn{effect.id, TextOf(drawn)};
  });
}

void Executor::Perform(const core::Combine& effect) {
  const auto experiment = experiments_.Of(ensembles_.at(effect.id));
  if (!experiment) return Submit(core::CombinationDone{effect.id, experiment.error().Text(), {}});
  CombineRequest request{effect.id, FolderOf(effect.id), {}, effect.predictions};
  SubmitFromDisk([files = here_.files, request = std::move(request), experiment = *experiment,
                  provenance = Provenance(core_.RecordsOf(effect.id), effect.id)] {
    const auto combined = CombineAndWrite(*files, request, *experiment, provenance);
    std::vector<JobId> lost = combined ? std::vector<JobId>() : FindLost(*files, request);
    if (!lost.empty()) {
      spdlog::warn("{}: {}; who lost predictions makes them again from the last checkpoint", request.id,
                   combined.error().Text());
    }
    return core::CombinationDone{request.id, TextOf(combined), std::move(lost)};
  });
}

void Executor::Perform(const core::InspectFolders& effect) {
  KnownOfJob known;
  Records records = core_.RecordsOf(effect.job);
  known.checkpoints = std::move(records.checkpoints);
  for (const AttemptRecord& attempt : records.attempts) known.acknowledged[attempt.id] = attempt.acknowledged;
  SubmitFromDisk(
      [files = here_.files, folder = FolderOf(effect.job.ensemble), job = effect.job, known = std::move(known)] {
        auto inspected = InspectFoldersOf(*files, folder, job, known);
        if (inspected) return std::move(*inspected);
        core::FoldersInspected unknown;
        unknown.job = job;
        unknown.error = inspected.error().Text();
        return unknown;
      });
}

void Executor::Perform(const core::RemoveCheckpoint& effect) {
  SubmitFromDisk([files = here_.files, folder = FolderOf(effect.key.attempt.job.ensemble), key = effect.key] {
    storage::CheckpointStore store(*files, folder);
    return core::CheckpointRemoved{key, TextOf(store.Remove(key.attempt, key.step))};
  });
}

void Executor::Perform(const core::RemoveEnsembleFolder& effect) {
  const auto aside = SetEnsembleFolderAside(*here_.files, here_.home, effect.id);
  Submit(core::EnsembleFolderRemoved{effect.id, TextOf(aside)});
}

void Executor::DeleteRemoved(const EnsembleId& id, std::function<void(Result<void>)> deleted) {
  here_.disk([files = here_.files, home = here_.home, id, deleted = std::move(deleted)] {
    deleted(DeleteSetAside(*files, home, id));
  });
}

void Executor::Perform(const core::Notify& effect) {
  const bool named = effect.what.starts_with(effect.ensemble.str());
  spdlog::info("{}{}", named ? "" : effect.ensemble.str() + ": ", effect.what);
  feed_.Publish(here_.clock->Now(), effect.ensemble, effect.what);
}

}  // namespace tutti::server
