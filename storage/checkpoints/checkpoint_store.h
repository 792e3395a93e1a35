// Checkpoints on disk: folders under an ensemble's folder, each with a manifest.
//
//   members/NAME/attempt-N/step-00004290/{manifest.json,model.safetensors,training.safetensors}
//
// Commit protocol: write under a temporary name, sync files and folder, rename, sync the parent. The rename is the
// commit point: a crash at any point leaves the whole checkpoint or none.
//
// Thread-safe. Errors: kNoSpace, kIo (never retried: after a failed fsync the page cache lies), kCorrupt, kNotFound.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/file_system.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/result.h"

namespace tutti::storage {

struct FileEntry {
  std::string name;
  uint64_t size_bytes = 0;
  std::string hash;  // XXH3-128
  bool operator==(const FileEntry&) const = default;
};

// manifest.json: what a checkpoint is, so that a catalog can be made from folders alone.
struct Manifest {
  static constexpr int kVersion = 1;
  AttemptId attempt;
  int64_t step = 0;
  double epoch = 0;
  std::map<std::string, double> metrics;  // "validation_loss", ...
  std::vector<FileEntry> files;
  bool operator==(const Manifest&) const = default;
};
Json ToJson(const Manifest& manifest);
Result<Manifest> ManifestFromJson(const Json& json);

// A checkpoint that is there and whole as far as its manifest's sizes tell.
struct FoundCheckpoint {
  std::filesystem::path folder;
  Manifest manifest;
  std::string manifest_hash;
};

struct QuarantinedFolder {
  std::filesystem::path folder;
  std::string reason;
};

// Of the file that a coordinator puts into an attempt's folder before its trainer starts.
inline constexpr const char* kTaskName = "task.json";
// Of the folder in an attempt's folder where what comes over the network is kept until it is whole.
inline constexpr const char* kUploadsName = ".uploads";

std::string StepFolderName(int64_t step);                       // "step-00004290"
std::filesystem::path AttemptFolder(const AttemptId& attempt);  // "members/NAME/attempt-N", relative to the ensemble

// What one attempt's folder holds.
struct AttemptContents {
  std::vector<FoundCheckpoint> checkpoints;      // by rising step
  std::vector<std::filesystem::path> temporary;  // garbage once the attempt has ended
  std::vector<QuarantinedFolder> quarantined;    // named, never deleted
};

class CheckpointStore {
 public:
  CheckpointStore(FileSystem& files, std::filesystem::path ensemble_folder);

  // Begins a checkpoint: a temporary folder into which the caller writes its files through the returned writer.
  // Commit() hashes, writes the manifest, syncs, renames. Without it the folder is removed again, best effort, once
  // writer and files are gone: on a full disk it would keep the disk full. A process that dies leaves it as garbage.
  class Writer {
   public:
    // Opens `name` in the folder. Bytes are hashed as they pass, Close() syncs. The file may outlive the Writer.
    Result<std::unique_ptr<WritableFile>> Create(const std::string& name);
    // Returns once the checkpoint would survive a power cut. Every file made must have been closed; after an error of
    // any of them, or of an earlier Commit(), this fails.
    Result<FoundCheckpoint> Commit();

    struct State;  // shared with the files that are being written

   private:
    friend class CheckpointStore;
    std::shared_ptr<State> state_;
  };
  // `manifest.files` is filled in by the writer. kExists: this step is committed already.
  Result<Writer> Begin(Manifest manifest);

  // Reads sizes and names only. kNotFound when the attempt has no folder.
  Result<AttemptContents> Inspect(const AttemptId& attempt) const;
  // Every attempt that has a folder, by member and number.
  Result<std::vector<AttemptId>> Attempts(const EnsembleId& ensemble) const;
  // Whether a coordinator put its task into the attempt's folder. A run by hand is not prepared: it may repeat a member
  // or try another setting, and nothing of it belongs to the member.
  Result<bool> IsPrepared(const AttemptId& attempt) const;
  // Whether a folder without a task holds anything: an empty one was made where the disk was too full for the task.
  Result<bool> IsRunByHand(const AttemptId& attempt) const;
  // Reads every byte and compares hashes. kCorrupt names the file.
  Result<void> Verify(const FoundCheckpoint& checkpoint) const;
  Result<FoundCheckpoint> Find(const AttemptId& attempt, int64_t step) const;
  // Makes the names in the attempt's folder, and the folder itself, survive a power cut: a trainer that was killed
  // between its rename and the sync after it leaves a checkpoint that does not yet.
  Result<void> SyncFolders(const AttemptId& attempt) const;

  // Deletion in the safe order: rename to a temporary name, sync, remove. The caller marked the row before and drops
  // it after. No error when gone already.
  Result<void> Remove(const AttemptId& attempt, int64_t step);
  // What an attempt that has ended left half written or half removed. Its checkpoints stay.
  Result<void> RemoveTemporary(const AttemptId& attempt);

 private:
  FileSystem& files_;
  std::filesystem::path ensemble_folder_;
};

}  // namespace tutti::storage
