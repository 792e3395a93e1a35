// Makes the core's decisions happen: what it wants remembered is committed first, all of a batch in one transaction;
// only then is anything told or done outside.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/file_system.h"
#include "common/protocol/channel.h"
#include "common/result.h"
#include "coordinator/core/core.h"
#include "coordinator/server/attempt_tally.h"
#include "coordinator/server/event_feed.h"
#include "coordinator/server/experiments.h"
#include "coordinator/server/views.h"
#include "coordinator/server/worker_sessions.h"
#include "storage/catalog/catalog.h"

namespace tutti::server {

// All on the coordinator's thread, but for what it hands to `disk`.
class Executor {
 public:
  struct Surroundings {
    protocol::Post events;                   // to the coordinator's thread
    protocol::Post disk;                     // to threads that may wait for disks
    std::function<void(TimePoint)> wake_at;  // calls Wake() on the coordinator's thread then; replaces the former
    std::function<void(Error)> failed;       // a commit failed: nothing happens any more
    std::function<void()> stopped;           // asked to stop, and nothing is at work
    FileSystem* files = nullptr;
    const Clock* clock = nullptr;
    std::filesystem::path home;  // absolute
  };
  Executor(Surroundings surroundings, storage::Catalog& catalog, core::Core core);

  // Does what a crash left undone. Errors: those of a commit.
  Result<void> Begin(std::vector<core::Effect> outstanding);

  // Queues an event; all that are queued by then are handled together. `committed` is called once what followed from
  // it is durable and was told; never when the commit failed. `key` is committed with it.
  void Submit(core::Event event, std::function<void()> committed = {}, std::optional<SubmissionKey> key = {});
  // Handles what is queued now.
  void Flush();
  void Wake() { Submit(core::Tick{}); }
  // Deletes the files of an ensemble that was removed; `deleted` is called by a disk's thread. Never when the
  // coordinator ends before: the next one deletes them.
  void DeleteRemoved(const EnsembleId& id, std::function<void(Result<void>)> deleted);

  // Work that changes files and may take long.
  void OnDisk(std::function<void()> work) { here_.disk(std::move(work)); }

  WorkerSessions& workers() { return workers_; }
  EventFeed& feed() { return feed_; }
  const core::Core& core() const { return core_; }
  TimePoint Now() const { return here_.clock->Now(); }
  const AttemptTally& tally() const { return tally_; }
  bool stopping() const { return stopping_; }
  // What only a living coordinator knows of an ensemble's jobs.
  Live LiveOf(const Records& ensemble) const;

 private:
  struct Queued {
    core::Event event;
    std::function<void()> committed;
    std::optional<SubmissionKey> key;
  };

  void Schedule();
  void HandleQueued();
  void Notice(const core::Event& event);
  Result<void> Apply(std::vector<core::Effect> effects, std::vector<storage::Change> changes = {});
  void Remember(const storage::Change& change);
  void Fail(Error error);

  void Perform(const core::Persist&) {}
  void Perform(const core::Erase&) {}
  void Perform(const core::Tell& effect);
  void Perform(const core::StartAttempt& effect);
  void Perform(const core::CheckInspection& effect);
  void Perform(const core::DrawSplit& effect);
  void Perform(const core::Combine& effect);
  void Perform(const core::InspectFolders& effect);
  void Perform(const core::RemoveCheckpoint& effect);
  void Perform(const core::RemoveEnsembleFolder& effect);
  void Perform(const core::Notify& effect);

  Result<protocol::Task> PrepareTask(const core::StartAttempt& effect);
  // Of the workers of its gang, in the order of ranks.
  std::vector<std::string> HostsOf(const core::StartAttempt& effect) const;
  Result<int> ClassesOf(const EnsembleId& id);
  void RefuseStart(const core::StartAttempt& effect, const Error& error);
  // Runs `work` on a disk's thread; the event that it returns is submitted here.
  void SubmitFromDisk(std::function<core::Event()> work);
  std::filesystem::path FolderOf(const EnsembleId& id) const { return here_.home / id.str(); }

  const Surroundings here_;
  storage::Catalog& catalog_;
  core::Core core_;
  WorkerSessions workers_;
  AttemptTally tally_;
  EventFeed feed_;
  std::vector<Queued> queue_;
  bool scheduled_ = false;
  bool failed_ = false;
  bool stopping_ = false;
  bool told_stopped_ = false;
  std::map<EnsembleId, EnsembleRecord> ensembles_;  // as committed
  Experiments experiments_;                         // of ensembles that run
  std::map<EnsembleId, int> classes_;               // of ensembles whose split was read
  std::map<JobId, std::pair<AttemptId, protocol::Started>> started_;
};

}  // namespace tutti::server
