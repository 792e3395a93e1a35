#include "worker/trainer/training/checkpoint_writer.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

namespace tutti::trainer {
namespace {

// A disk that takes longer for two checkpoints has failed.
constexpr std::chrono::minutes kLongestWrite(30);

}  // namespace

CheckpointWriter::CheckpointWriter(FileSystem& files, std::filesystem::path ensemble_folder, AttemptId attempt,
                                   EventLog& events)
    : store_(files, ensemble_folder),
      ensemble_folder_(std::move(ensemble_folder)),
      attempt_(std::move(attempt)),
      events_(events),
      thread_([this] { Run(); }) {}

CheckpointWriter::~CheckpointWriter() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Result<void> CheckpointWriter::Write(Snapshot snapshot) {
  TUTTI_RETURN_IF_ERROR(WaitUntilFewerThan(kMostInFlight));
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::make_unique<Snapshot>(std::move(snapshot)));
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
  if (error_) return tl::unexpected<Error>(*error_);
  return {};
}

Result<void> CheckpointWriter::WaitUntilFewerThan(size_t in_flight) {
  std::unique_lock lock(mutex_);
  const bool done = changed_.wait_for(lock, kLongestWrite, [&] { return error_ || waiting_.size() < in_flight; });
  if (!done) return Fail(ErrorCode::kIo, "writing a checkpoint took more than {} minutes", kLongestWrite.count());
  return OutcomeLocked();
}

void CheckpointWriter::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return leaving_ || (!waiting_.empty() && !error_); });
    if (leaving_) return;
    const Snapshot& snapshot = *waiting_.front();
    lock.unlock();
    Result<void> outcome = WriteOne(snapshot);
    lock.lock();
    if (!outcome) error_ = std::move(outcome.error());
    waiting_.pop_front();
    changed_.notify_all();
  }
}

Result<void> CheckpointWriter::WriteOne(const Snapshot& snapshot) try {
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
} catch (const std::exception& error) {
  return Fail(ErrorCode::kInternal, "writing a checkpoint failed: {}", error.what());
}

}  // namespace tutti::trainer
