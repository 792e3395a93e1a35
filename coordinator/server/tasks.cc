#include "coordinator/server/tasks.h"

#include <algorithm>

#include "common/json.h"
#include "coordinator/server/ensemble_files.h"
#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;

Result<spec::EnsembleSpec> SpecOf(const EnsembleRecord& ensemble) {
  TUTTI_ASSIGN_OR_RETURN(const Json json, ParseJson(ensemble.spec));
  auto spec = spec::EnsembleFromJson(json);
  if (!spec) return FailBecause(std::move(spec.error()), "the stored experiment of {} cannot be read", ensemble.id);
  return spec;
}

Result<void> AddMember(protocol::Task& task, const spec::EnsembleSpec& spec, const TaskInput& input) {
  const auto member = std::find_if(spec.members.begin(), spec.members.end(),
                                   [&](const auto& candidate) { return candidate.name == task.attempt.job.name; });
  if (member == spec.members.end()) {
    return Fail(ErrorCode::kInvalid, "{} has no member {}", input.ensemble->id, task.attempt.job.name);
  }
  task.member = *member;
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
  const auto stored = files.Read(task.folder / "task.json");
  if (stored && *stored == text) return {};
  return tl::unexpected(std::move(error));
}

}  // namespace

Result<protocol::Task> MakeTask(const TaskInput& input) {
  TUTTI_ASSIGN_OR_RETURN(const spec::EnsembleSpec spec, SpecOf(*input.ensemble));
  protocol::Task task;
  task.attempt = input.start.attempt;
  task.kind = input.start.kind;
  task.ensemble_folder = input.home / input.ensemble->id.str();
  task.folder = task.ensemble_folder / storage::AttemptFolder(task.attempt);
  task.events = task.folder / "events.jsonl";
  task.cache = input.home / "cache";
  task.data = spec.data;
  task.threads = input.threads;
  if (task.kind == JobKind::kTrain) TUTTI_RETURN_IF_ERROR(AddMember(task, spec, input));
  return task;
}

Result<void> PrepareAttempt(FileSystem& files, const protocol::Task& task) {
  const std::string text = protocol::ToJson(task).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(task.folder.parent_path()));
  auto made = files.CreateDirectory(task.folder);
  if (!made && made.error().code == ErrorCode::kExists) return AcceptRepeat(files, task, text, std::move(made.error()));
  TUTTI_RETURN_IF_ERROR(made);
  TUTTI_RETURN_IF_ERROR(WriteFileDurably(files, task.folder / "task.json", text));
  return files.SyncDirectory(task.folder.parent_path());
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
