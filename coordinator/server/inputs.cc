#include "coordinator/server/inputs.h"

#include "common/hash.h"
#include "common/protocol/task.h"
#include "common/spec/experiment_files.h"
#include "storage/checkpoints/checkpoint_folder.h"
#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;

// A file of the task that lies where the coordinator put it.
Result<fs::path> Within(const fs::path& ensemble_folder, const fs::path& file) {
  fs::path relative = file.lexically_relative(ensemble_folder);
  if (!relative.empty() && *relative.begin() != "..") return relative;
  return Fail(ErrorCode::kCorrupt, "a task names {}, which is not in {}", file.string(), ensemble_folder.string());
}

Result<void> AddFile(std::vector<Input>& inputs, const FileSystem& files, const fs::path& ensemble_folder,
                     const fs::path& file) {
  TUTTI_ASSIGN_OR_RETURN(const fs::path relative, Within(ensemble_folder, file));
  TUTTI_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(file));
  inputs.push_back({relative, info.size_bytes, ""});
  return {};
}

Result<void> AddCheckpoint(std::vector<Input>& inputs, const FileSystem& files, const fs::path& ensemble_folder,
                           const fs::path& folder) {
  TUTTI_ASSIGN_OR_RETURN(const fs::path relative, Within(ensemble_folder, folder));
  const fs::path path = folder / storage::kManifestName;
  TUTTI_ASSIGN_OR_RETURN(const std::string text, files.ReadRange(path, 0, storage::kMaximumManifestBytes));
  const auto manifest = storage::ParseManifest(text);
  if (!manifest) return Fail(ErrorCode::kCorrupt, "{}: {}", path.string(), manifest.error().Text());
  for (const storage::FileEntry& entry : manifest->files) {
    inputs.push_back({relative / entry.name, entry.size_bytes, entry.hash});
  }
  inputs.push_back({relative / storage::kManifestName, text.size(), HashText(text)});
  return {};
}

Result<protocol::Task> ReadTask(const FileSystem& files, const fs::path& path) {
  TUTTI_ASSIGN_OR_RETURN(const std::string text, files.Read(path));
  const auto json = ParseJson(text);
  auto task = json ? protocol::TaskFromJson(*json) : Result<protocol::Task>(tl::unexpected<Error>(json.error()));
  if (!task) return Fail(ErrorCode::kCorrupt, "{}: {}", path.string(), task.error().Text());
  return task;
}

}  // namespace

Result<std::vector<Input>> InputsOf(const FileSystem& files, const fs::path& ensemble_folder,
                                    const AttemptId& attempt) {
  TUTTI_ASSIGN_OR_RETURN(const protocol::Task task,
                         ReadTask(files, ensemble_folder / storage::AttemptFolder(attempt) / storage::kTaskName));
  std::vector<Input> inputs;
  if (!task.split.empty()) TUTTI_RETURN_IF_ERROR(AddFile(inputs, files, ensemble_folder, task.split));
  if (task.resume_from) {
    TUTTI_RETURN_IF_ERROR(AddCheckpoint(inputs, files, ensemble_folder, *task.resume_from));
  } else if (task.member && task.member->weights) {
    TUTTI_RETURN_IF_ERROR(AddFile(inputs, files, ensemble_folder, *task.member->weights));
    const fs::path names = task.member->weights->parent_path() / spec::kCopyNames;
    if (files.Exists(names)) TUTTI_RETURN_IF_ERROR(AddFile(inputs, files, ensemble_folder, names));
  }
  return inputs;
}

Result<std::vector<Input>> WithHashes(const FileSystem& files, const fs::path& ensemble_folder,
                                      std::vector<Input> inputs) {
  for (Input& input : inputs) {
    if (!input.hash.empty()) continue;
    TUTTI_ASSIGN_OR_RETURN(input.hash, storage::HashFile(files, ensemble_folder / input.file, input.bytes));
  }
  return inputs;
}

Json ToJson(const std::vector<Input>& inputs) {
  Json list = Json::array();
  for (const Input& input : inputs) {
    list.push_back({{"file", input.file.string()}, {"bytes", input.bytes}, {"hash", input.hash}});
  }
  return {{"inputs", std::move(list)}};
}

}  // namespace tutti::server
