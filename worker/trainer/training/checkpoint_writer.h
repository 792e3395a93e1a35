// Writes checkpoints while training goes on.
#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "common/ids.h"
#include "common/result.h"
#include "storage/checkpoints/checkpoint_store.h"
#include "worker/trainer/training/event_log.h"
#include "worker/trainer/training/snapshot.h"

namespace tutti::trainer {

// One thread of its own that writes snapshots in order and says CheckpointWritten once each is committed. At most two
// are held at a time: the next Write waits. The first error ends it, and every later call returns that error.
//
// All calls come from one thread. The destructor drops what has not begun.
class CheckpointWriter {
 public:
  CheckpointWriter(FileSystem& files, std::filesystem::path ensemble_folder, AttemptId attempt, EventLog& events);
  CheckpointWriter(const CheckpointWriter&) = delete;
  ~CheckpointWriter();

  Result<void> Write(Snapshot snapshot);
  // Waits until all are committed.
  Result<void> Flush();
  // The error, if there was one; never waits.
  Result<void> Health();

 private:
  static constexpr size_t kMostInFlight = 2;

  void Run();
  Result<void> WriteOne(const Snapshot& snapshot);
  Result<void> WaitUntilFewerThan(size_t in_flight);
  Result<void> OutcomeLocked() const;

  storage::CheckpointStore store_;
  std::filesystem::path ensemble_folder_;
  AttemptId attempt_;
  EventLog& events_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Snapshot>> waiting_;  // the first is being written
  std::optional<Error> error_;
  bool leaving_ = false;
  std::thread thread_;
};

}  // namespace tutti::trainer
