#include "worker/trainer/training/event_log.h"

#include <span>
#include <string>

namespace tutti::trainer {

Result<std::unique_ptr<EventLog>> EventLog::Open(FileSystem& files, const std::filesystem::path& path) {
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(path.parent_path()));
  auto log = std::make_unique<EventLog>();
  TUTTI_ASSIGN_OR_RETURN(log->file_, files.OpenForAppend(path));
  return log;
}

std::unique_ptr<EventLog> EventLog::Silent() { return std::make_unique<EventLog>(); }

Result<void> EventLog::AppendLocked(const protocol::TrainerEvent& event) {
  if (file_ == nullptr) return {};
  // Messages of libraries and file names may hold bytes that are no UTF-8.
  std::string line = protocol::ToJson(event).dump(-1, ' ', false, Json::error_handler_t::replace);
  line += '\n';
  // A full disk may have taken half a line: what comes later must not become the rest of it.
  if (torn_) line.insert(line.begin(), '\n');
  const Result<void> appended = file_->Append(std::as_bytes(std::span(line)));
  torn_ = !appended;
  return appended;
}

Result<void> EventLog::Append(const protocol::TrainerEvent& event) {
  const std::lock_guard lock(mutex_);
  return AppendLocked(event);
}

Result<void> EventLog::AppendDurably(const protocol::TrainerEvent& event) {
  const std::lock_guard lock(mutex_);
  TUTTI_RETURN_IF_ERROR(AppendLocked(event));
  if (file_ == nullptr) return {};
  return file_->Sync();
}

}  // namespace tutti::trainer
