// A file that comes piece by piece, on the disk: what uploads of all kinds have in common.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "common/file_system.h"
#include "common/result.h"

namespace tutti::server {

struct Received {
  uint64_t bytes = 0;  // where the rest begins
  bool complete = false;
};

// Of a file that has `bytes` of which `there` have come. Errors: kConflict, the piece begins elsewhere; kInvalid, it
// goes beyond the end.
struct Piece {
  std::string name;  // of the file, for messages
  uint64_t bytes = 0;
  uint64_t offset = 0;
  const std::string& content;
};
Result<void> CheckPiece(const Piece& piece, uint64_t there);

Result<void> AppendPiece(FileSystem& files, const std::filesystem::path& part, const std::string& content);

Result<void> SyncFile(FileSystem& files, const std::filesystem::path& path);

// Nothing of a file that is not there: 0.
Result<uint64_t> SizeOf(const FileSystem& files, const std::filesystem::path& path);

// What has come of a file is what it should be, and would survive a power cut under this name: a rename elsewhere that
// is synced there does not make it do so. Otherwise it is thrown away: after a failed sync the page cache lies.
// kCorrupt: it has another hash.
struct Expected {
  std::string name;
  std::string hash;
  std::function<Result<std::string>(const std::filesystem::path&)> hash_of;
};
Result<void> MakeSure(FileSystem& files, const std::filesystem::path& part, const Expected& expected);

}  // namespace tutti::server
