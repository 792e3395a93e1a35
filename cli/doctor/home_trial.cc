#include "cli/doctor/home_trial.h"

#include <unistd.h>

#include <utility>

namespace tutti::cli {
namespace {

Result<void> TryInside(FileSystem& files, const std::filesystem::path& trial) {
  const Result<void> again = files.CreateDirectory(trial);
  if (again) return Fail(ErrorCode::kIo, "{} was made twice: mkdir is not exclusive there", trial.string());
  if (again.error().code != ErrorCode::kExists) return again;
  const std::filesystem::path file = trial / "file";
  TUTTI_RETURN_IF_ERROR(WriteFileDurably(files, file, "old"));
  TUTTI_RETURN_IF_ERROR(WriteFileDurably(files, file, "new"));
  TUTTI_ASSIGN_OR_RETURN(const std::string text, files.Read(file));
  if (text != "new") return Fail(ErrorCode::kCorrupt, "{} reads otherwise than it was written", file.string());
  TUTTI_RETURN_IF_ERROR(files.CreateDirectory(trial / "folder"));
  TUTTI_RETURN_IF_ERROR(files.Rename(trial / "folder", trial / "renamed"));
  return files.SyncDirectory(trial);
}

}  // namespace

std::filesystem::path NearestThatIsThere(const std::filesystem::path& path) {
  std::filesystem::path nearest = path;
  std::error_code ignored;
  while (!std::filesystem::exists(nearest, ignored) && nearest.has_relative_path()) {
    nearest = nearest.parent_path();
  }
  return nearest;
}

Result<void> TryFolder(FileSystem& files, const std::filesystem::path& folder) {
  const std::filesystem::path trial = folder / fmt::format(".tutti-doctor-{}", ::getpid());
  TUTTI_RETURN_IF_ERROR(files.CreateDirectory(trial));
  const Result<void> tried = TryInside(files, trial);
  const Result<void> removed = files.RemoveAll(trial);
  return tried ? removed : tried;
}

}  // namespace tutti::cli
