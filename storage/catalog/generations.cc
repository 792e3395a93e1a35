#include "storage/catalog/generations.h"

#include <algorithm>
#include <optional>

#include "common/whole_number.h"

namespace tutti::storage {
namespace {

namespace fs = std::filesystem;

constexpr int kMaximumClaims = 100;  // coordinators that start at the same moment
constexpr int kMaximumReads = 50;    // the writer finds out before its next commit and stops
constexpr std::string_view kRemovedPrefix = ".removed-";

std::string FolderName(Generation generation) { return fmt::format("{:04}", generation.value); }

std::optional<Generation> ParseFolderName(std::string_view name) {
  const Generation generation{ParseGivenNumber(name).value_or(0)};
  if (generation.value < 1 || FolderName(generation) != name) return {};
  return generation;
}

struct DatabaseFiles {
  std::string database;
  std::optional<std::string> log;
  bool operator==(const DatabaseFiles&) const = default;
};

fs::path LogPath(const fs::path& folder) { return folder / (std::string(kDatabaseName) + "-wal"); }

Result<DatabaseFiles> ReadOnce(const FileSystem& files, const fs::path& folder) {
  DatabaseFiles contents;
  TUTTI_ASSIGN_OR_RETURN(contents.database, files.Read(folder / kDatabaseName));
  auto log = files.Read(LogPath(folder));
  if (log) {
    contents.log = std::move(*log);
  } else if (log.error().code != ErrorCode::kNotFound) {
    return tl::unexpected(std::move(log.error()));
  }
  return contents;
}

// Two equal readings are a state that the files were in at one moment, and so one that SQLite recovers from: the same
// as after a crash.
Result<DatabaseFiles> ReadAtRest(const FileSystem& files, const fs::path& folder) {
  TUTTI_ASSIGN_OR_RETURN(DatabaseFiles last, ReadOnce(files, folder));
  for (int i = 0; i < kMaximumReads; ++i) {
    TUTTI_ASSIGN_OR_RETURN(DatabaseFiles again, ReadOnce(files, folder));
    if (again == last) return last;
    last = std::move(again);
  }
  return Fail(ErrorCode::kConflict, "{} is being written without pause: stop the tutti that writes it and try again",
              (folder / kDatabaseName).string());
}

FileFiller Text(const std::string& contents) {
  return [&contents](WritableFile& file) { return file.Append(std::as_bytes(std::span(contents))); };
}

}  // namespace

fs::path GenerationFolder(const fs::path& catalog, Generation generation) { return catalog / FolderName(generation); }

Result<std::vector<Generation>> ListGenerations(const FileSystem& files, const fs::path& catalog) {
  TUTTI_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files.List(catalog));
  std::vector<Generation> generations;
  for (const FileInfo& entry : entries) {
    const auto generation = ParseFolderName(entry.name);
    if (entry.is_directory && generation) generations.push_back(*generation);
  }
  std::sort(generations.begin(), generations.end());
  return generations;
}

Result<Generation> ClaimGeneration(FileSystem& files, const fs::path& catalog) {
  for (int i = 0; i < kMaximumClaims; ++i) {
    TUTTI_ASSIGN_OR_RETURN(const std::vector<Generation> there, ListGenerations(files, catalog));
    const Generation next{there.empty() ? 1 : there.back().value + 1};
    auto made = files.CreateDirectory(GenerationFolder(catalog, next));
    if (!made && made.error().code == ErrorCode::kExists) continue;
    if (!made) return tl::unexpected(std::move(made.error()));
    if (auto synced = files.SyncDirectory(catalog); !synced) {
      static_cast<void>(files.Remove(GenerationFolder(catalog, next)));
      return tl::unexpected(std::move(synced.error()));
    }
    return next;
  }
  return Fail(ErrorCode::kConflict, "other coordinators keep starting in {}: let one of them run", catalog.string());
}

Result<void> CopyGeneration(FileSystem& files, const fs::path& from, const fs::path& to) {
  TUTTI_ASSIGN_OR_RETURN(const DatabaseFiles contents, ReadAtRest(files, from));
  if (contents.database.empty()) {
    const bool logged = contents.log && !contents.log->empty();
    return Fail(logged ? ErrorCode::kCorrupt : ErrorCode::kNotFound, "{} is empty", (from / kDatabaseName).string());
  }
  const fs::path temporary = to / (std::string(kDatabaseName) + ".copy");
  if (contents.log) TUTTI_RETURN_IF_ERROR(WriteSynced(files, LogPath(to), Text(*contents.log)));
  TUTTI_RETURN_IF_ERROR(WriteSynced(files, temporary, Text(contents.database)));
  TUTTI_RETURN_IF_ERROR(files.SyncDirectory(to));
  TUTTI_RETURN_IF_ERROR(files.Rename(temporary, to / kDatabaseName));
  return files.SyncDirectory(to);
}

Result<void> RemoveGeneration(FileSystem& files, const fs::path& catalog, Generation generation) {
  // Renamed first: a removal that is cut short must not leave a database that lost its log.
  const fs::path removed = catalog / (std::string(kRemovedPrefix) + FolderName(generation));
  TUTTI_RETURN_IF_ERROR(files.RemoveAll(removed));  // of an earlier try
  TUTTI_RETURN_IF_ERROR(files.Rename(GenerationFolder(catalog, generation), removed));
  TUTTI_RETURN_IF_ERROR(files.SyncDirectory(catalog));
  return files.RemoveAll(removed);
}

void RemoveOldGenerations(FileSystem& files, const fs::path& catalog, size_t keep) {
  const auto entries = files.List(catalog);
  if (!entries) return;
  for (const FileInfo& entry : *entries) {
    if (entry.name.starts_with(kRemovedPrefix)) static_cast<void>(files.RemoveAll(catalog / entry.name));
  }
  const auto generations = ListGenerations(files, catalog);
  if (!generations) return;
  size_t kept = 0;
  for (auto generation = generations->rbegin(); generation != generations->rend(); ++generation) {
    if (kept == keep) {
      static_cast<void>(RemoveGeneration(files, catalog, *generation));
    } else if (files.Exists(GenerationFolder(catalog, *generation) / kDatabaseName)) {
      ++kept;
    }
  }
}

}  // namespace tutti::storage
