// A home of a worker's own, where it does not see the coordinator's: the same layout, kept as long as it is of use
// here.
//
//   FOLDER/KEY/cache/               prepared data, shared by the workers of one coordinator
//   FOLDER/KEY/homes/NAME/ID/...    the home of the worker NAME
//
// KEY tells one coordinator's home from another's.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "common/file_system.h"
#include "common/ids.h"
#include "common/protocol/task.h"
#include "common/result.h"

namespace tutti::worker {

// $XDG_CACHE_HOME/tutti, or ~/.cache/tutti.
std::filesystem::path DefaultScratchFolder();

// Where the files of attempts are kept.
struct ScratchHome {
  std::filesystem::path home;
  std::filesystem::path cache;

  // The task with this home in place of the coordinator's.
  protocol::Task Moved(protocol::Task task) const;
};

// What went wrong with a file, in words; where it was that the disk of such a home is full, with what helps. A user
// need not know that there is one.
std::string WithWayToMakeRoom(std::string error, const ScratchHome& home);

class Scratch {
 public:
  // Makes it empty: what a former start of this worker left is removed. `mark` is that of the coordinator's home; the
  // worker's name must be held. kDenied: others may enter it; kNoSpace, kIo.
  static Result<Scratch> Make(FileSystem& files, const std::filesystem::path& folder, const std::string& mark,
                              const WorkerId& worker);
  Scratch(Scratch&& other) noexcept;
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch();  // removes the home; the cache stays

  const ScratchHome& home() const { return home_; }

 private:
  Scratch(FileSystem& files, ScratchHome home) : files_(files), home_(std::move(home)) {}
  FileSystem& files_;
  ScratchHome home_;
};

// What is kept of a job, or of an ensemble with what all its attempts fetched, none of whose attempts is known here any
// more. What cannot be removed stays until the worker ends, with a warning.
void RemoveFilesOf(FileSystem& files, const ScratchHome& home, const JobId& job);
void RemoveFilesOf(FileSystem& files, const ScratchHome& home, const EnsembleId& ensemble);

// Of a job, only `newest` and later checkpoints stay: what is older lies at the coordinator.
Result<void> RemoveOlderCheckpoints(FileSystem& files, const std::filesystem::path& ensemble_folder,
                                    const AttemptId& newest, int64_t step);

}  // namespace tutti::worker
