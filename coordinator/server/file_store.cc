#include "coordinator/server/file_store.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <set>
#include <string_view>

#include "common/network/secret.h"
#include "common/network/sha256.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolder = "files";
// Long enough for every try of a submission, and for the next ones of the same day.
constexpr auto kKeptFor = std::chrono::days(1);
constexpr std::string_view kPartSuffix = ".part";

fs::path FolderIn(const fs::path& home) { return home / kFolder; }
fs::path WholeFile(const fs::path& home, const std::string& hash) { return FolderIn(home) / hash; }
fs::path PartOf(const fs::path& home, const std::string& hash) {
  return FolderIn(home) / fmt::format(".{}{}", hash, kPartSuffix);
}

// Whether it has a name that is given here: a user may keep things there, too.
bool IsOwn(std::string_view name) {
  const bool part = name.starts_with('.') && name.ends_with(kPartSuffix);
  return spec::IsFileHash(part ? name.substr(1, name.size() - 1 - kPartSuffix.size()) : name);
}

Result<void> Complete(FileSystem& files, const fs::path& home, const std::string& hash) {
  const fs::path part = PartOf(home, hash);
  const auto hash_of = [&](const fs::path& path) { return network::Sha256OfFile(files, path); };
  TUTTI_RETURN_IF_ERROR(MakeSure(files, part, {"the file", hash, hash_of}));
  TUTTI_RETURN_IF_ERROR(files.Rename(part, WholeFile(home, hash)));
  TUTTI_RETURN_IF_ERROR(files.SyncDirectory(FolderIn(home)));
  return files.SyncDirectory(home);
}

Error NotThere(const std::string& hash) {
  return {ErrorCode::kNotFound,
          fmt::format("the file with the SHA-256 {} is not here: send it to /api/v1/files/{} first", hash, hash),
          nullptr};
}

Result<void> CopyOne(FileSystem& files, const fs::path& home, const std::string& hash, const fs::path& copy) {
  const fs::path kept = WholeFile(home, hash);
  std::string found;
  const auto copied = WriteSynced(files, copy, [&](WritableFile& file) -> Result<void> {
    const auto append = [&](std::span<const std::byte> piece) { return file.Append(piece); };
    TUTTI_ASSIGN_OR_RETURN(found, network::Sha256OfFile(files, kept, append));
    return {};
  });
  if (!copied && copied.error().code == ErrorCode::kNotFound) return tl::unexpected<Error>(NotThere(hash));
  if (!copied || found == hash) return copied;
  (void)files.Remove(kept);  // damaged since: it is to be sent anew
  return tl::unexpected<Error>(NotThere(hash));
}

}  // namespace

Result<Received> FindFile(FileSystem& files, const fs::path& home, const std::string& hash) {
  const auto whole = files.Stat(WholeFile(home, hash));
  if (whole) return Received{whole->size_bytes, true};
  if (whole.error().code != ErrorCode::kNotFound) return tl::unexpected<Error>(whole.error());
  TUTTI_ASSIGN_OR_RETURN(const uint64_t bytes, SizeOf(files, PartOf(home, hash)));
  return Received{bytes, false};
}

Result<Received> ReceiveFile(FileSystem& files, const fs::path& home, const std::string& hash, uint64_t bytes,
                             uint64_t offset, const std::string& piece) {
  TUTTI_ASSIGN_OR_RETURN(const Received before, FindFile(files, home, hash));
  if (before.complete) return before;
  if (before.bytes > bytes) {
    TUTTI_RETURN_IF_ERROR(files.Remove(PartOf(home, hash)));
    return Fail(ErrorCode::kCorrupt, "of the file {} bytes have come, which has {}: it begins anew", before.bytes,
                bytes);
  }
  TUTTI_RETURN_IF_ERROR(CheckPiece({"the file", bytes, offset, piece}, before.bytes));
  TUTTI_RETURN_IF_ERROR(network::MakePrivateFolder(FolderIn(home)));
  TUTTI_RETURN_IF_ERROR(AppendPiece(files, PartOf(home, hash), piece));
  const Received after{before.bytes + piece.size(), before.bytes + piece.size() == bytes};
  if (after.complete) TUTTI_RETURN_IF_ERROR(Complete(files, home, hash));
  return after;
}

Result<void> CopyFiles(FileSystem& files, const fs::path& home, const spec::FileHashes& hashes,
                       const fs::path& ensemble_folder) {
  for (const auto& [path, hash] : hashes) {
    if (!files.Exists(WholeFile(home, hash))) return tl::unexpected<Error>(NotThere(hash));
  }
  const fs::path folder = ensemble_folder / kFolder;
  TUTTI_RETURN_IF_ERROR(files.CreateDirectory(folder));
  Json names = Json::array();
  std::set<std::string> copied;
  for (const auto& [path, hash] : hashes) {
    names.push_back({{"path", path.string()}, {"sha256", hash}});
    if (copied.insert(hash).second)
      TUTTI_RETURN_IF_ERROR(CopyOne(files, home, hash, ensemble_folder / spec::CopyOf(hash)));
  }
  const std::string text = names.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  return WriteFileDurably(files, folder / spec::kCopyNames, text);
}

Json FileNames(const FileSystem& files, const fs::path& ensemble_folder) {
  const auto text = files.Read(ensemble_folder / kFolder / spec::kCopyNames);
  const auto json = text ? ParseJson(*text) : Result<Json>(Json(nullptr));
  return json.value_or(Json(nullptr));
}

Result<std::vector<fs::path>> FindOldFiles(const FileSystem& files, const fs::path& home, TimePoint now) {
  std::vector<fs::path> found;
  // A folder that is open to others was made by somebody else.
  if (!network::CheckPrivateFolder(FolderIn(home))) return found;
  const auto entries = files.List(FolderIn(home));
  if (!entries && entries.error().code == ErrorCode::kNotFound) return found;
  if (!entries) return tl::unexpected<Error>(entries.error());
  for (const FileInfo& entry : *entries) {
    if (IsOwn(entry.name) && entry.changed + kKeptFor < now) found.push_back(fs::path(kFolder) / entry.name);
  }
  return found;
}

void TidyFiles(FileSystem& files, const fs::path& home, TimePoint now) {
  const auto old = FindOldFiles(files, home, now);
  if (!old) return spdlog::warn("old files of submissions stay behind: {}", old.error().Text());
  for (const fs::path& one : *old) {
    const auto removed = files.Remove(home / one);
    if (!removed) spdlog::warn("what came with a submission stays behind: {}", removed.error().Text());
  }
}

}  // namespace tutti::server
