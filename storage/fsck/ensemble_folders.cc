#include "storage/fsck/ensemble_folders.h"

namespace tutti::storage {

Result<std::set<EnsembleId>> EnsembleFolders(const FileSystem& files, const std::filesystem::path& home) {
  std::set<EnsembleId> ids;
  auto entries = files.List(home);
  if (!entries && entries.error().code == ErrorCode::kNotFound) return ids;
  if (!entries) return tl::unexpected(std::move(entries.error()));
  for (const FileInfo& entry : *entries) {
    if (!entry.is_directory || !IsValidId(entry.name)) continue;
    if (files.Exists(home / entry.name / kResolvedExperiment)) ids.insert(EnsembleId(entry.name));
  }
  return ids;
}

}  // namespace tutti::storage
