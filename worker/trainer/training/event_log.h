// The events file of an attempt: JSON lines, the durable outbox of what a trainer says.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>

#include "common/file_system.h"
#include "common/protocol/trainer_events.h"
#include "common/result.h"

namespace tutti::trainer {

// Thread-safe. A line is appended with one write, so that a reader that follows the file sees whole lines.
class EventLog {
 public:
  // Appends to what is there; makes the folder. kIo, kNoSpace, kDenied.
  static Result<std::unique_ptr<EventLog>> Open(FileSystem& files, const std::filesystem::path& path);
  // Of a rank that says nothing.
  static std::unique_ptr<EventLog> Silent();

  Result<void> Append(const protocol::TrainerEvent& event);
  // Returns once this line and those before it would survive a power cut.
  Result<void> AppendDurably(const protocol::TrainerEvent& event);

 private:
  Result<void> AppendLocked(const protocol::TrainerEvent& event);

  std::mutex mutex_;
  std::unique_ptr<WritableFile> file_;  // null: silent
  bool torn_ = false;                   // the last append failed, perhaps after half a line
};

}  // namespace tutti::trainer
