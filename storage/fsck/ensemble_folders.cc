#include "storage/fsck/ensemble_folders.h"

namespace tutti::storage {

Result<bool> IsThere(const FileSystem& files, const std::filesystem::path& path) {
  auto info = files.Stat(path);
  if (!info && info.error().code != ErrorCode::kNotFound) return tl::unexpected(std::move(info.error()));
  return info.has_value();
}

Result<std::set<EnsembleId>> EnsembleFolders(const FileSystem& files, const std::filesystem::path& home) {
  std::set<EnsembleId> ids;
  auto entries = files.List(home);
  if (!entries && entries.error().code == ErrorCode::kNotFound) return ids;
  if (!entries) return tl::unexpected(std::move(entries.error()));
  for (const FileInfo& entry : *entries) {
    if (!entry.is_directory || !IsValidId(entry.name)) continue;
    TUTTI_ASSIGN_OR_RETURN(const bool resolved, IsThere(files, home / entry.name / kResolvedExperiment));
    if (resolved) ids.insert(EnsembleId(entry.name));
  }
  return ids;
}

}  // namespace tutti::storage
