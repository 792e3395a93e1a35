#include "storage/checkpoints/checkpoint_store.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "common/hash.h"
#include "common/whole_number.h"
#include "storage/checkpoints/checkpoint_folder.h"

namespace tutti::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kAttemptPrefix = "attempt-";
constexpr std::string_view kTemporaryPrefix = ".step-";  // both what is being written and what is being removed
constexpr std::string_view kPredictionsFolder = "predictions";
constexpr int kMaximumTemporaries = 1000;  // unfinished writes of one step; a loop is our own bug

std::optional<int> ParseAttemptFolder(std::string_view name) {
  if (!name.starts_with(kAttemptPrefix)) return {};
  const auto number = ParseGivenNumber(name.substr(kAttemptPrefix.size()));
  if (!number || *number < 1 || fmt::format("{}{}", kAttemptPrefix, *number) != name) return {};
  return number;
}

// What is garbage once the attempt has ended.
bool IsTemporary(const FileInfo& entry) {
  return entry.is_directory && (entry.name.starts_with(kTemporaryPrefix) || entry.name == kUploadsName);
}

std::string RemovedName(int64_t step) { return "." + StepFolderName(step) + ".removed"; }

}  // namespace

struct CheckpointStore::Writer::State {
  State(FileSystem& file_system, fs::path temporary_folder, fs::path final_folder, Manifest begun)
      : files(file_system),
        temporary(std::move(temporary_folder)),
        folder(std::move(final_folder)),
        manifest(std::move(begun)) {}
  ~State() {
    if (!committed) static_cast<void>(files.RemoveAll(temporary));
  }

  FileSystem& files;
  const fs::path temporary;
  const fs::path folder;

  std::mutex mutex;  // guards what follows
  Manifest manifest;
  int open_files = 0;
  bool failed = false;
  bool committed = false;

  void MarkFailed() {
    const std::lock_guard lock(mutex);
    failed = true;
  }

  void Add(FileEntry entry) {
    const std::lock_guard lock(mutex);
    manifest.files.push_back(std::move(entry));
    --open_files;
  }

  Result<void> Reserve(const std::string& name) {
    const std::lock_guard lock(mutex);
    const bool taken = std::any_of(manifest.files.begin(), manifest.files.end(),
                                   [&](const FileEntry& file) { return file.name == name; });
    if (taken) return Fail(ErrorCode::kExists, "the checkpoint has a file {} already", name);
    ++open_files;
    return {};
  }
};

namespace {

using WriterState = CheckpointStore::Writer::State;

// Hashes what passes and tells its checkpoint how it ended. A file that failed, or was dropped without Close(), spoils
// the checkpoint: there is no second try after a failed sync.
class CheckpointFile : public WritableFile {
 public:
  CheckpointFile(std::shared_ptr<WriterState> state, std::unique_ptr<WritableFile> file, std::string name)
      : state_(std::move(state)), file_(std::move(file)), name_(std::move(name)) {}

  ~CheckpointFile() override {
    if (!closed_) state_->MarkFailed();
  }

  Result<void> Append(std::span<const std::byte> bytes) override {
    TUTTI_RETURN_IF_ERROR(Noted(file_->Append(bytes)));
    hasher_.Update(bytes);
    size_bytes_ += bytes.size();
    return {};
  }

  Result<void> Sync() override { return Noted(file_->Sync()); }

  Result<void> Close() override {
    TUTTI_RETURN_IF_ERROR(Noted(file_->Sync()));
    TUTTI_RETURN_IF_ERROR(Noted(file_->Close()));
    closed_ = true;
    state_->Add({name_, size_bytes_, hasher_.Digest()});
    return {};
  }

 private:
  Result<void> Noted(Result<void> result) {
    if (!result) state_->MarkFailed();
    return result;
  }

  std::shared_ptr<WriterState> state_;
  std::unique_ptr<WritableFile> file_;
  std::string name_;
  Hasher hasher_;
  uint64_t size_bytes_ = 0;
  bool closed_ = false;
};

Result<void> WriteManifest(FileSystem& files, const fs::path& folder, std::string_view text) {
  return WriteSynced(files, folder / kManifestName,
                     [&](WritableFile& file) { return file.Append(std::as_bytes(std::span(text))); });
}

}  // namespace

fs::path AttemptFolder(const AttemptId& attempt) {
  return fs::path("members") / attempt.job.name / fmt::format("{}{}", kAttemptPrefix, attempt.number);
}

Result<std::unique_ptr<WritableFile>> CheckpointStore::Writer::Create(const std::string& name) {
  if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos || name == kManifestName) {
    return Fail(ErrorCode::kInvalid, "'{}' cannot be the name of a checkpoint's file", name);
  }
  TUTTI_RETURN_IF_ERROR(state_->Reserve(name));
  auto file = state_->files.Create(state_->temporary / name);
  if (!file) {
    state_->MarkFailed();
    return tl::unexpected(std::move(file.error()));
  }
  return std::make_unique<CheckpointFile>(state_, std::move(*file), name);
}

Result<FoundCheckpoint> CheckpointStore::Writer::Commit() {
  const std::lock_guard lock(state_->mutex);
  if (state_->failed) {
    return Fail(ErrorCode::kIo, "{} was not written whole and is given up", state_->temporary.string());
  }
  if (state_->committed) return Fail(ErrorCode::kExists, "{} is committed already", state_->folder.string());
  if (state_->open_files != 0) {
    return Fail(ErrorCode::kInternal, "{} files of {} are still open", state_->open_files, state_->temporary.string());
  }
  state_->failed = true;  // until all of it went well
  const std::string text = ToJson(state_->manifest).dump(2) + "\n";
  TUTTI_RETURN_IF_ERROR(WriteManifest(state_->files, state_->temporary, text));
  TUTTI_RETURN_IF_ERROR(PublishFolder(state_->files, state_->temporary, state_->folder));
  state_->failed = false;
  state_->committed = true;
  return FoundCheckpoint{state_->folder, state_->manifest, HashText(text)};
}

CheckpointStore::CheckpointStore(FileSystem& files, fs::path ensemble_folder)
    : files_(files), ensemble_folder_((ensemble_folder.lexically_normal() / "").parent_path()) {}

Result<CheckpointStore::Writer> CheckpointStore::Begin(Manifest manifest) {
  const fs::path attempt_folder = ensemble_folder_ / AttemptFolder(manifest.attempt);
  const fs::path folder = attempt_folder / StepFolderName(manifest.step);
  TUTTI_RETURN_IF_ERROR(files_.CreateDirectories(attempt_folder));
  TUTTI_RETURN_IF_ERROR(SyncParents(files_, attempt_folder, ensemble_folder_));
  if (files_.Exists(folder)) return Fail(ErrorCode::kExists, "{} is committed already", folder.string());

  for (int number = 1; number <= kMaximumTemporaries; ++number) {
    const fs::path temporary = attempt_folder / fmt::format(".{}.{}", StepFolderName(manifest.step), number);
    auto made = files_.CreateDirectory(temporary);
    if (!made && made.error().code == ErrorCode::kExists) continue;
    if (!made) return tl::unexpected(std::move(made.error()));
    Writer writer;
    manifest.files.clear();
    writer.state_ = std::make_shared<Writer::State>(files_, temporary, folder, std::move(manifest));
    return writer;
  }
  return Fail(ErrorCode::kInternal, "{} has {} unfinished writes of step {}", attempt_folder.string(),
              kMaximumTemporaries, manifest.step);
}

Result<AttemptContents> CheckpointStore::Inspect(const AttemptId& attempt) const {
  const fs::path attempt_folder = ensemble_folder_ / AttemptFolder(attempt);
  TUTTI_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files_.List(attempt_folder));
  AttemptContents contents;
  for (const FileInfo& entry : entries) {
    const fs::path path = attempt_folder / entry.name;
    if (!entry.is_directory || entry.name == kPredictionsFolder) continue;
    if (IsTemporary(entry)) {
      contents.temporary.push_back(path);
      continue;
    }
    const auto step = ParseStepFolder(entry.name);
    if (!step) {
      contents.quarantined.push_back({path, "it is named like nothing that belongs here"});
      continue;
    }
    auto found = ReadCheckpointFolder(files_, path, attempt, *step);
    if (found) {
      contents.checkpoints.push_back(std::move(*found));
    } else if (found.error().code == ErrorCode::kCorrupt) {
      contents.quarantined.push_back({path, found.error().Text()});
    } else {
      return tl::unexpected(std::move(found.error()));
    }
  }
  // Names are padded to eight digits only: beyond that their order is not that of the steps.
  std::sort(contents.checkpoints.begin(), contents.checkpoints.end(),
            [](const auto& a, const auto& b) { return a.manifest.step < b.manifest.step; });
  return contents;
}

Result<std::vector<AttemptId>> CheckpointStore::Attempts(const EnsembleId& ensemble) const {
  std::vector<AttemptId> attempts;
  const fs::path members = ensemble_folder_ / "members";
  auto jobs = files_.List(members);
  if (!jobs && jobs.error().code == ErrorCode::kNotFound) return attempts;
  if (!jobs) return tl::unexpected(std::move(jobs.error()));
  for (const FileInfo& job : *jobs) {
    const auto id = ParseJobId(ensemble.str() + "/" + job.name);
    if (!job.is_directory || !id) continue;
    TUTTI_ASSIGN_OR_RETURN(const std::vector<FileInfo> folders, files_.List(members / job.name));
    for (const FileInfo& folder : folders) {
      const auto number = ParseAttemptFolder(folder.name);
      if (folder.is_directory && number) attempts.push_back({*id, *number});
    }
  }
  std::sort(attempts.begin(), attempts.end());
  return attempts;
}

Result<bool> CheckpointStore::IsPrepared(const AttemptId& attempt) const {
  auto task = files_.Stat(ensemble_folder_ / AttemptFolder(attempt) / kTaskName);
  if (!task && task.error().code != ErrorCode::kNotFound) return tl::unexpected(std::move(task.error()));
  return task.has_value();
}

Result<bool> CheckpointStore::IsRunByHand(const AttemptId& attempt) const {
  TUTTI_ASSIGN_OR_RETURN(const bool prepared, IsPrepared(attempt));
  if (prepared) return false;
  auto entries = files_.List(ensemble_folder_ / AttemptFolder(attempt));
  if (!entries && entries.error().code != ErrorCode::kNotFound) return tl::unexpected(std::move(entries.error()));
  return entries && !entries->empty();
}

Result<void> CheckpointStore::Verify(const FoundCheckpoint& checkpoint) const {
  auto manifest = files_.ReadRange(checkpoint.folder / kManifestName, 0, kMaximumManifestBytes);
  if (!manifest) return tl::unexpected(std::move(manifest.error()));
  if (HashText(*manifest) != checkpoint.manifest_hash) {
    return Fail(ErrorCode::kCorrupt, "the manifest of {} is not the one that was committed",
                checkpoint.folder.string());
  }
  auto sizes = CheckSizes(files_, checkpoint.folder, checkpoint.manifest);
  if (!sizes) return FailBecause(std::move(sizes.error()), "{} is damaged", checkpoint.folder.string());
  for (const FileEntry& file : checkpoint.manifest.files) {
    TUTTI_ASSIGN_OR_RETURN(const std::string hash, HashFile(files_, checkpoint.folder / file.name, file.size_bytes));
    if (hash != file.hash) {
      return Fail(ErrorCode::kCorrupt, "{} is damaged: its bytes are not those that were written",
                  (checkpoint.folder / file.name).string());
    }
  }
  return {};
}

Result<FoundCheckpoint> CheckpointStore::Find(const AttemptId& attempt, int64_t step) const {
  const fs::path folder = ensemble_folder_ / AttemptFolder(attempt) / StepFolderName(step);
  if (auto info = files_.Stat(folder); !info) return tl::unexpected(std::move(info.error()));
  return ReadCheckpointFolder(files_, folder, attempt, step);
}

Result<void> CheckpointStore::SyncFolders(const AttemptId& attempt) const {
  const fs::path attempt_folder = ensemble_folder_ / AttemptFolder(attempt);
  TUTTI_RETURN_IF_ERROR(files_.SyncDirectory(attempt_folder));
  return SyncParents(files_, attempt_folder, ensemble_folder_);
}

Result<void> CheckpointStore::Remove(const AttemptId& attempt, int64_t step) {
  const fs::path attempt_folder = ensemble_folder_ / AttemptFolder(attempt);
  const fs::path folder = attempt_folder / StepFolderName(step);
  const fs::path removed = attempt_folder / RemovedName(step);
  if (auto there = files_.Stat(attempt_folder); !there) {
    if (there.error().code == ErrorCode::kNotFound) return {};
    return tl::unexpected(std::move(there.error()));
  }
  if (auto there = files_.Stat(folder); there) {
    TUTTI_RETURN_IF_ERROR(files_.RemoveAll(removed));  // of an earlier try
    TUTTI_RETURN_IF_ERROR(files_.Rename(folder, removed));
  } else if (there.error().code != ErrorCode::kNotFound) {
    return tl::unexpected(std::move(there.error()));
  }
  // Synced even when the folder was gone: a rename that nobody synced could come back, with its row dropped.
  TUTTI_RETURN_IF_ERROR(files_.SyncDirectory(attempt_folder));
  return files_.RemoveAll(removed);
}

Result<void> CheckpointStore::RemoveTemporary(const AttemptId& attempt) {
  const fs::path attempt_folder = ensemble_folder_ / AttemptFolder(attempt);
  auto entries = files_.List(attempt_folder);
  if (!entries && entries.error().code == ErrorCode::kNotFound) return {};
  if (!entries) return tl::unexpected(std::move(entries.error()));
  for (const FileInfo& entry : *entries) {
    if (!IsTemporary(entry)) continue;
    TUTTI_RETURN_IF_ERROR(files_.RemoveAll(attempt_folder / entry.name));
  }
  return {};
}

}  // namespace tutti::storage
