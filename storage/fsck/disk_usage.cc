#include "storage/fsck/disk_usage.h"

#include "storage/fsck/ensemble_folders.h"

namespace tutti::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCatalogFolder = "catalog";
constexpr std::string_view kCacheFolder = "cache";
constexpr int kMaximumDepth = 32;  // ours are not as deep; a loop of links is

Result<uint64_t> BytesBelow(const FileSystem& files, const fs::path& folder, int depth = 0) {
  auto entries = files.List(folder);
  if (!entries && (entries.error().code == ErrorCode::kNotFound || depth > kMaximumDepth)) return 0;
  if (!entries) return tl::unexpected(std::move(entries.error()));
  uint64_t bytes = 0;
  for (const FileInfo& entry : *entries) {
    if (!entry.is_directory) {
      bytes += entry.size_bytes;
    } else if (depth < kMaximumDepth) {
      TUTTI_ASSIGN_OR_RETURN(const uint64_t inside, BytesBelow(files, folder / entry.name, depth + 1));
      bytes += inside;
    }
  }
  return bytes;
}

// What is neither an ensemble nor the catalog nor the cache.
Result<uint64_t> OtherBytes(const FileSystem& files, const fs::path& home, const std::set<EnsembleId>& ensembles) {
  auto entries = files.List(home);
  if (!entries && entries.error().code == ErrorCode::kNotFound) return 0;
  if (!entries) return tl::unexpected(std::move(entries.error()));
  uint64_t bytes = 0;
  for (const FileInfo& entry : *entries) {
    if (entry.name == kCatalogFolder || entry.name == kCacheFolder || ensembles.contains(EnsembleId(entry.name))) {
      continue;
    }
    auto inside = entry.is_directory ? BytesBelow(files, home / entry.name) : Result<uint64_t>(entry.size_bytes);
    // What is not ours may be closed to us, as lost+found is.
    if (!inside && inside.error().code != ErrorCode::kDenied) return inside;
    bytes += inside.value_or(0);
  }
  return bytes;
}

}  // namespace

Result<EnsembleUsage> MeasureEnsemble(const FileSystem& files, const fs::path& home, const EnsembleId& id) {
  EnsembleUsage usage{.id = id, .bytes = 0, .members = {}};
  TUTTI_RETURN_IF_ERROR(files.Stat(home / id.str()));
  TUTTI_ASSIGN_OR_RETURN(usage.bytes, BytesBelow(files, home / id.str()));
  const fs::path members = home / id.str() / "members";
  auto entries = files.List(members);
  if (!entries && entries.error().code == ErrorCode::kNotFound) return usage;
  if (!entries) return tl::unexpected(std::move(entries.error()));
  for (const FileInfo& entry : *entries) {
    if (!entry.is_directory) continue;
    TUTTI_ASSIGN_OR_RETURN(const uint64_t bytes, BytesBelow(files, members / entry.name));
    usage.members.push_back({entry.name, bytes});
  }
  return usage;
}

Result<uint64_t> MeasureFolder(const FileSystem& files, const fs::path& folder) { return BytesBelow(files, folder); }

Result<HomeUsage> MeasureHome(const FileSystem& files, const fs::path& home) {
  HomeUsage usage;
  TUTTI_ASSIGN_OR_RETURN(const std::set<EnsembleId> ids, EnsembleFolders(files, home));
  for (const EnsembleId& id : ids) {
    TUTTI_ASSIGN_OR_RETURN(EnsembleUsage ensemble, MeasureEnsemble(files, home, id));
    usage.ensembles.push_back(std::move(ensemble));
  }
  TUTTI_ASSIGN_OR_RETURN(usage.catalog_bytes, BytesBelow(files, home / kCatalogFolder));
  TUTTI_ASSIGN_OR_RETURN(usage.cache_bytes, BytesBelow(files, home / kCacheFolder));
  TUTTI_ASSIGN_OR_RETURN(usage.other_bytes, OtherBytes(files, home, ids));
  return usage;
}

}  // namespace tutti::storage
