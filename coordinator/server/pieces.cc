#include "coordinator/server/pieces.h"

#include <algorithm>
#include <span>

namespace tutti::server {

namespace fs = std::filesystem;

Result<void> CheckPiece(const Piece& piece, uint64_t there) {
  if (piece.offset != there) {
    return Fail(ErrorCode::kConflict, "{} goes on at byte {}, not at {}", piece.name, there, piece.offset);
  }
  if (piece.content.size() > piece.bytes - std::min(there, piece.bytes)) {
    return Fail(ErrorCode::kInvalid, "{} has {} bytes: a piece of {} at byte {} goes beyond its end", piece.name,
                piece.bytes, piece.content.size(), piece.offset);
  }
  return {};
}

Result<void> AppendPiece(FileSystem& files, const fs::path& part, const std::string& content) {
  TUTTI_ASSIGN_OR_RETURN(const auto file, files.OpenForAppend(part));
  TUTTI_RETURN_IF_ERROR(file->Append(std::as_bytes(std::span(content))));
  return file->Close();
}

Result<void> SyncFile(FileSystem& files, const fs::path& path) {
  TUTTI_ASSIGN_OR_RETURN(const auto file, files.OpenForAppend(path));
  TUTTI_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

Result<uint64_t> SizeOf(const FileSystem& files, const fs::path& path) {
  const auto info = files.Stat(path);
  if (info) return info->size_bytes;
  if (info.error().code == ErrorCode::kNotFound) return uint64_t{0};
  return tl::unexpected<Error>(info.error());
}

Result<void> MakeSure(FileSystem& files, const fs::path& part, const Expected& expected) {
  const auto synced = SyncFile(files, part).and_then([&] { return files.SyncDirectory(part.parent_path()); });
  const auto hash = synced ? expected.hash_of(part) : Result<std::string>(std::string());
  if (synced && hash && *hash == expected.hash) return {};
  (void)files.Remove(part);
  if (!synced) return synced;
  if (!hash) return tl::unexpected<Error>(hash.error());
  return Fail(ErrorCode::kCorrupt, "what came of {} is not what was sent: its hash is {}, not {}", expected.name, *hash,
              expected.hash);
}

}  // namespace tutti::server
