#include "coordinator/server/garbage.h"

#include "common/whole_number.h"
#include "coordinator/server/ensemble_files.h"
#include "coordinator/server/file_store.h"
#include "storage/checkpoints/checkpoint_store.h"
#include "storage/fsck/disk_usage.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCache = "cache";
constexpr const char* kCacheAside = ".removing-cache";

class Search {
 public:
  Search(FileSystem& files, const fs::path& home) : files_(files), home_(home) {}

  Result<void> Add(Garbage::Kind kind, const fs::path& relative) {
    const auto info = files_.Stat(home_ / relative);
    const bool is_file = info && !info->is_directory;
    TUTTI_ASSIGN_OR_RETURN(const uint64_t bytes, is_file ? Result<uint64_t>(info->size_bytes)
                                                         : storage::MeasureFolder(files_, home_ / relative));
    found_.push_back({kind, relative, bytes});
    return {};
  }

  Result<void> AddHalfWrittenOf(const AttemptId& attempt) {
    const fs::path ensemble = attempt.job.ensemble.str();
    const storage::CheckpointStore store(files_, home_ / ensemble);
    if (!store.IsPrepared(attempt).value_or(false)) return {};  // somebody may run it by hand
    const auto contents = store.Inspect(attempt);
    if (!contents && contents.error().code == ErrorCode::kNotFound) return {};
    if (!contents) return tl::unexpected<Error>(contents.error());
    for (const fs::path& folder : contents->temporary) {
      TUTTI_RETURN_IF_ERROR(
          Add(Garbage::Kind::kHalfWritten, ensemble / storage::AttemptFolder(attempt) / folder.filename()));
    }
    return {};
  }

  std::vector<Garbage> Take() { return std::move(found_); }

 private:
  FileSystem& files_;
  const fs::path& home_;
  std::vector<Garbage> found_;
};

// A folder of an ensemble that was removed, made again by a trainer that went on: it has attempts, and no experiment.
bool IsLeftOver(const FileSystem& files, const fs::path& home, const FileInfo& entry, const GarbageSearch& search) {
  if (!entry.is_directory || !IsValidId(entry.name) || search.known.contains(EnsembleId(entry.name))) return false;
  const auto numbered = SplitId(entry.name);
  const auto highest = numbered ? search.given.find(numbered->name) : search.given.end();
  if (highest == search.given.end() || numbered->number > highest->second) return false;
  const auto inside = files.List(home / entry.name);
  return inside && inside->size() == 1 && inside->front().name == "members";
}

std::string_view Name(Garbage::Kind kind) {
  switch (kind) {
    case Garbage::Kind::kCutRemoval:
      return "cut removal";
    case Garbage::Kind::kHalfWritten:
      return "half-written checkpoint";
    case Garbage::Kind::kPrepared:
      return "prepared data";
    case Garbage::Kind::kOldFile:
      return "old file";
  }
  TUTTI_CHECK(false);
}

}  // namespace

Result<std::vector<Garbage>> FindGarbage(FileSystem& files, const fs::path& home, const GarbageSearch& search) {
  Search found(files, home);
  TUTTI_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files.List(home));
  for (const FileInfo& entry : entries) {
    if (IsSetAside(entry.name)) TUTTI_RETURN_IF_ERROR(found.Add(Garbage::Kind::kCutRemoval, entry.name));
    if (IsLeftOver(files, home, entry, search))
      TUTTI_RETURN_IF_ERROR(found.Add(Garbage::Kind::kCutRemoval, entry.name));
    if (entry.name == kCache && !search.trains) TUTTI_RETURN_IF_ERROR(found.Add(Garbage::Kind::kPrepared, kCache));
  }
  TUTTI_ASSIGN_OR_RETURN(const std::vector<fs::path> old, FindOldFiles(files, home, search.now));
  for (const fs::path& file : old) TUTTI_RETURN_IF_ERROR(found.Add(Garbage::Kind::kOldFile, file));
  for (const AttemptId& attempt : search.ended) TUTTI_RETURN_IF_ERROR(found.AddHalfWrittenOf(attempt));
  return found.Take();
}

Result<void> RemoveGarbage(FileSystem& files, const fs::path& home, const std::vector<Garbage>& garbage) {
  for (const Garbage& one : garbage) {
    fs::path path = home / one.path;
    if (one.kind == Garbage::Kind::kPrepared) {
      // A trainer that starts just now makes a new one, and does not find half of this.
      TUTTI_RETURN_IF_ERROR(files.RemoveAll(home / kCacheAside));
      const auto aside = files.Rename(path, home / kCacheAside);
      if (!aside && aside.error().code == ErrorCode::kNotFound) continue;
      if (!aside) return aside;
      path = home / kCacheAside;
    }
    TUTTI_RETURN_IF_ERROR(files.RemoveAll(path));
  }
  return {};
}

Json GarbageView(const std::vector<Garbage>& garbage, bool removed) {
  Json list = Json::array();
  uint64_t bytes = 0;
  for (const Garbage& one : garbage) {
    list.push_back({{"kind", Name(one.kind)}, {"path", one.path.string()}, {"bytes", one.bytes}});
    bytes += one.bytes;
  }
  return {{"garbage", std::move(list)}, {"bytes", bytes}, {"removed", removed}};
}

}  // namespace tutti::server
