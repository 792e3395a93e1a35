#include "coordinator/server/tasks.h"

#include <algorithm>
#include <memory>
#include <span>

#include "common/json.h"
#include "coordinator/server/ensemble_files.h"
#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;

Result<void> AddMember(protocol::Task& task, const TaskInput& input) {
  const spec::MemberSpec* member = input.experiment->FindMember(task.attempt.job.name);
  if (member == nullptr) {
    return Fail(ErrorCode::kInvalid, "{} has no member {}", input.ensemble->id, task.attempt.job.name);
  }
  task.member = *member;
  if (member->weights) {
    TUTTI_ASSIGN_OR_RETURN(task.member->weights, FileWithin(task.ensemble_folder, member->weights->string()));
  }
  task.split = task.ensemble_folder / kSplitFile;
  task.data_hash = input.ensemble->data_hash;
  task.classes = input.classes;
  task.shards = input.start.shards;
  if (!input.resume_folder.empty()) {
    TUTTI_ASSIGN_OR_RETURN(task.resume_from, FileWithin(task.ensemble_folder, input.resume_folder));
  }
  return {};
}

// A folder that is there is ours when it holds this very task: told twice, it is started once.
Result<void> AcceptRepeat(const FileSystem& files, const protocol::Task& task, const std::string& text, Error error) {
  const auto stored = files.Read(task.folder / storage::kTaskName);
  if (stored && *stored == text) return {};
  return tl::unexpected(std::move(error));
}

// One that is not whole is removed: a folder without a task was never begun with.
Result<void> WriteUnsynced(FileSystem& files, const fs::path& path, const std::string& text) {
  TUTTI_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, files.Create(path));
  auto written = file->Append(std::as_bytes(std::span(text))).and_then([&] { return file->Close(); });
  if (!written) static_cast<void>(files.Remove(path));
  return written;
}

}  // namespace

Result<protocol::Task> MakeTask(const TaskInput& input) {
  protocol::Task task;
  task.attempt = input.start.attempt;
  task.kind = input.start.kind;
  task.ensemble_folder = input.home / input.ensemble->id.str();
  task.folder = task.ensemble_folder / storage::AttemptFolder(task.attempt);
  task.events = task.folder / "events.jsonl";
  task.cache = input.home / "cache";
  task.data = input.experiment->spec().data;
  task.threads = input.threads;
  if (task.kind == JobKind::kTrain) TUTTI_RETURN_IF_ERROR(AddMember(task, input));
  return task;
}

Result<void> PrepareAttempt(FileSystem& files, const protocol::Task& task) {
  const std::string text = protocol::ToJson(task).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(task.folder.parent_path()));
  auto made = files.CreateDirectory(task.folder);
  if (!made && made.error().code == ErrorCode::kExists) return AcceptRepeat(files, task, text, std::move(made.error()));
  TUTTI_RETURN_IF_ERROR(made);
  return WriteUnsynced(files, task.folder / storage::kTaskName, text);
}

std::map<WorkerId, protocol::GrantSlots> GrantsOf(const AttemptId& attempt, const std::vector<SlotId>& gang) {
  std::map<WorkerId, protocol::GrantSlots> grants;
  for (size_t rank = 0; rank < gang.size(); ++rank) {
    protocol::GrantSlots& grant = grants[gang[rank].worker];
    grant.attempt = attempt;
    grant.slots.push_back(gang[rank].index);
    grant.ranks.push_back(static_cast<int>(rank));
  }
  return grants;
}

}  // namespace tutti::server
