#include "storage/checkpoints/checkpoint_folder.h"

#include <span>
#include <utility>

#include "common/hash.h"
#include "common/whole_number.h"

namespace tutti::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStepPrefix = "step-";
constexpr uint64_t kVerifyChunkBytes = 8 << 20;  // of memory that verifying takes

fs::path ParentOf(const fs::path& path) {
  const fs::path parent = path.parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

}  // namespace

std::string StepFolderName(int64_t step) { return fmt::format("{}{:08}", kStepPrefix, step); }

std::optional<int64_t> ParseStepFolder(std::string_view name) {
  if (!name.starts_with(kStepPrefix)) return {};
  const auto step = ParseWholeNumber<int64_t>(name.substr(kStepPrefix.size()));
  if (!step || StepFolderName(*step) != name) return {};
  return step;
}

Result<Manifest> ParseManifest(std::string_view text) {
  TUTTI_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  return ManifestFromJson(json);
}

Result<void> CheckSizes(const FileSystem& files, const fs::path& folder, const Manifest& manifest) {
  for (const FileEntry& file : manifest.files) {
    const auto info = files.Stat(folder / file.name);
    if (!info && info.error().code != ErrorCode::kNotFound) return tl::unexpected(info.error());
    if (!info) return Fail(ErrorCode::kCorrupt, "{} is missing", file.name);
    if (info->is_directory || info->size_bytes != file.size_bytes) {
      return Fail(ErrorCode::kCorrupt, "{} has {} bytes instead of {}", file.name, info->size_bytes, file.size_bytes);
    }
  }
  return {};
}

Result<FoundCheckpoint> ReadCheckpointFolder(const FileSystem& files, const fs::path& folder, const AttemptId& attempt,
                                             int64_t step) {
  const auto text = files.ReadRange(folder / kManifestName, 0, kMaximumManifestBytes);
  if (!text && text.error().code == ErrorCode::kNotFound) {
    return Fail(ErrorCode::kCorrupt, "{} has no manifest", folder.string());
  }
  if (!text) return tl::unexpected(text.error());
  auto manifest = ParseManifest(*text);
  if (!manifest) {
    return Fail(ErrorCode::kCorrupt, "the manifest of {} cannot be read: {}", folder.string(), manifest.error().Text());
  }
  if (manifest->attempt != attempt || manifest->step != step) {
    return Fail(ErrorCode::kCorrupt, "{} holds step {} of {}", folder.string(), manifest->step,
                manifest->attempt.str());
  }
  auto sizes = CheckSizes(files, folder, *manifest);
  if (!sizes) return FailBecause(std::move(sizes.error()), "{} is damaged", folder.string());
  return FoundCheckpoint{folder, std::move(*manifest), HashText(*text)};
}

Result<std::string> HashFile(const FileSystem& files, const fs::path& path, uint64_t size_bytes) {
  Hasher hasher;
  for (uint64_t offset = 0; offset < size_bytes; offset += kVerifyChunkBytes) {
    TUTTI_ASSIGN_OR_RETURN(const std::string chunk, files.ReadRange(path, offset, kVerifyChunkBytes));
    hasher.Update(std::as_bytes(std::span(chunk)));
  }
  return hasher.Digest();
}

Result<bool> HoldsFile(const FileSystem& files, const std::filesystem::path& path, uint64_t size_bytes,
                       const std::string& hash) {
  const auto there = files.Stat(path);
  if (!there && there.error().code == ErrorCode::kNotFound) return false;
  if (!there) return tl::unexpected<Error>(there.error());
  if (there->is_directory || there->size_bytes != size_bytes) return false;
  TUTTI_ASSIGN_OR_RETURN(const std::string found, HashFile(files, path, size_bytes));
  return found == hash;
}

Result<void> PublishFolder(FileSystem& files, const fs::path& temporary, const fs::path& folder) {
  TUTTI_RETURN_IF_ERROR(files.SyncDirectory(temporary));
  if (files.Exists(folder)) return Fail(ErrorCode::kExists, "{} is committed already", folder.string());
  TUTTI_RETURN_IF_ERROR(files.Rename(temporary, folder));
  return files.SyncDirectory(ParentOf(folder));
}

Result<void> SyncParents(FileSystem& files, const fs::path& attempt_folder, const fs::path& ensemble_folder) {
  for (fs::path folder = attempt_folder;; folder = folder.parent_path()) {
    TUTTI_RETURN_IF_ERROR(files.SyncDirectory(ParentOf(folder)));
    if (folder == ensemble_folder) return {};
  }
}

}  // namespace tutti::storage
