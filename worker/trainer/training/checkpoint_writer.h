// Writes checkpoints while training goes on.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <filesystem>
#include <functional>
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
// are held at a time: the next Write waits. The first error ends it, and every later call returns that error, or throws
// what its thread threw.
//
// A disk that keeps a call or the destructor waiting for longer than `patience` has failed: nothing can end the thread
// that it holds, so the process ends, with a line on stderr and protocol::kExitIo.
//
// All calls come from one thread. The destructor drops what has not begun.
class CheckpointWriter {
 public:
  CheckpointWriter(FileSystem& files, std::filesystem::path ensemble_folder, AttemptId attempt, EventLog& events,
                   std::chrono::milliseconds patience);
  CheckpointWriter(const CheckpointWriter&) = delete;
  ~CheckpointWriter();

  // Takes the snapshot once there is room for it.
  Result<void> Write(const std::function<Snapshot()>& take);
  // Waits until all are committed.
  Result<void> Flush();
  // The error, if there was one; never waits.
  Result<void> Health();

 private:
  static constexpr size_t kMostInFlight = 2;

  void Run();
  void WriteNext(std::unique_lock<std::mutex>& lock);
  Result<void> WriteOne(const Snapshot& snapshot);
  void WaitUntil(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done);
  Result<void> WaitUntilFewerThan(size_t in_flight);
  bool FailedLocked() const { return error_ || thrown_; }
  Result<void> OutcomeLocked() const;

  storage::CheckpointStore store_;
  std::filesystem::path ensemble_folder_;
  AttemptId attempt_;
  EventLog& events_;
  std::chrono::milliseconds patience_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Snapshot>> waiting_;  // the first is being written
  std::optional<Error> error_;
  std::exception_ptr thrown_;
  bool leaving_ = false;
  bool left_ = false;
  std::thread thread_;
};

}  // namespace tutti::trainer
