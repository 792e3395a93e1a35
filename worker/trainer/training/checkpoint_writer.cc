#include "worker/trainer/training/checkpoint_writer.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "common/protocol/trainer_events.h"

namespace tutti::trainer {

CheckpointWriter::CheckpointWriter(FileSystem& files, std::filesystem::path ensemble_folder, AttemptId attempt,
                                   EventLog& events, std::chrono::milliseconds patience)
    : store_(files, ensemble_folder),
      ensemble_folder_(std::move(ensemble_folder)),
      attempt_(std::move(attempt)),
      events_(events),
      patience_(patience),
      thread_([this] { Run(); }) {}

CheckpointWriter::~CheckpointWriter() {
  {
    std::unique_lock lock(mutex_);
    leaving_ = true;
    changed_.notify_all();
    WaitUntil(lock, [this] { return left_; });
  }
  thread_.join();
}

Result<void> CheckpointWriter::Write(const std::function<Snapshot()>& take) {
  TUTTI_RETURN_IF_ERROR(WaitUntilFewerThan(kMostInFlight));
  auto snapshot = std::make_unique<Snapshot>(take());
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(snapshot));
  }
  changed_.notify_all();
  return {};
}

Result<void> CheckpointWriter::Flush() { return WaitUntilFewerThan(1); }

Result<void> CheckpointWriter::Health() {
  const std::lock_guard lock(mutex_);
  return OutcomeLocked();
}

Result<void> CheckpointWriter::OutcomeLocked() const {
  if (thrown_) std::rethrow_exception(thrown_);
  if (error_) return tl::unexpected<Error>(*error_);
  return {};
}

void CheckpointWriter::WaitUntil(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done) {
  if (changed_.wait_for(lock, patience_, done)) return;
  std::fprintf(stderr,
               "tutti-trainer: writing a checkpoint into %s took more than %lld ms: the disk does not answer; look "
               "after it\n",
               ensemble_folder_.c_str(), static_cast<long long>(patience_.count()));
  _exit(protocol::kExitIo);
}

Result<void> CheckpointWriter::WaitUntilFewerThan(size_t in_flight) {
  std::unique_lock lock(mutex_);
  WaitUntil(lock, [&] { return FailedLocked() || waiting_.size() < in_flight; });
  return OutcomeLocked();
}

void CheckpointWriter::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return leaving_ || (!waiting_.empty() && !FailedLocked()); });
    if (leaving_) break;
    WriteNext(lock);
    changed_.notify_all();
  }
  left_ = true;
  changed_.notify_all();
}

// What it throws belongs to the thread that asked for it, where all that is thrown is told alike.
void CheckpointWriter::WriteNext(std::unique_lock<std::mutex>& lock) {
  const Snapshot& snapshot = *waiting_.front();
  Result<void> outcome;
  std::exception_ptr thrown;
  lock.unlock();
  try {
    outcome = WriteOne(snapshot);
  } catch (...) {
    thrown = std::current_exception();
  }
  lock.lock();
  if (!outcome) error_ = std::move(outcome.error());
  thrown_ = thrown;
  waiting_.pop_front();
}

Result<void> CheckpointWriter::WriteOne(const Snapshot& snapshot) {
  TUTTI_ASSIGN_OR_RETURN(const storage::FoundCheckpoint found, WriteCheckpoint(store_, attempt_, snapshot));
  protocol::CheckpointWritten written;
  written.step = snapshot.position.step;
  written.epoch = snapshot.epoch;
  written.folder =
      found.folder.is_absolute() ? found.folder.lexically_relative(ensemble_folder_).string() : found.folder.string();
  written.manifest_hash = found.manifest_hash;
  for (const storage::FileEntry& file : found.manifest.files) written.size_bytes += file.size_bytes;
  if (snapshot.position.validation) written.validation_loss = snapshot.position.validation->loss;
  return events_.AppendDurably(written);
}

}  // namespace tutti::trainer
