// The one seam to the disk: what must survive crashes goes through it, and tests break it at every step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace tutti {

// A file that is being written. Closes itself without syncing; a failed Append leaves a short file behind.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual Result<void> Append(std::span<const std::byte> bytes) = 0;
  virtual Result<void> Sync() = 0;  // fsync; after a failure the file must be given up, never synced again
  virtual Result<void> Close() = 0;
};

struct FileInfo {
  std::string name;  // without its folder
  bool is_directory = false;
  uint64_t size_bytes = 0;
  TimePoint changed{};  // its content, by the clock of the disk
};

// Thread-safe. Errors: kNotFound, kExists, kNoSpace, kDenied, kIo, each naming the path; kInvalid where something is to
// be read that is no regular file (a folder, a pipe, a device), which is not opened: it might never answer.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<WritableFile>> Create(const std::filesystem::path& path) = 0;  // truncates
  virtual Result<std::unique_ptr<WritableFile>> OpenForAppend(const std::filesystem::path& path) = 0;
  virtual Result<std::string> Read(const std::filesystem::path& path) const = 0;
  // At most `length` bytes from `offset` on; fewer at the end of the file.
  virtual Result<std::string> ReadRange(const std::filesystem::path& path, uint64_t offset, uint64_t length) const = 0;
  virtual Result<FileInfo> Stat(const std::filesystem::path& path) const = 0;
  // Sorted by name. Entries that go meanwhile, and links to nothing, are left out.
  virtual Result<std::vector<FileInfo>> List(const std::filesystem::path& directory) const = 0;
  virtual Result<void> CreateDirectory(const std::filesystem::path& path) = 0;    // exclusive: kExists
  virtual Result<void> CreateDirectories(const std::filesystem::path& path) = 0;  // no error when there
  virtual Result<void> Rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  virtual Result<void> Remove(const std::filesystem::path& path) = 0;     // a file or an empty directory
  virtual Result<void> RemoveAll(const std::filesystem::path& path) = 0;  // no error when gone already
  virtual Result<void> SyncDirectory(const std::filesystem::path& path) = 0;

  bool Exists(const std::filesystem::path& path) const { return Stat(path).has_value(); }
};

// The real one.
FileSystem& PosixFileSystem();

// Puts a file's bytes into it. Its error ends the writing.
using FileFiller = std::function<Result<void>(WritableFile&)>;

// Creates a file, lets `fill` write it, syncs and closes it. Its entry in the folder is not synced. A file that could
// not be written whole is removed again, as far as the disk lets it be.
Result<void> WriteSynced(FileSystem& files, const std::filesystem::path& path, const FileFiller& fill);

// Writes a whole file so that a crash leaves the old one or the new one: temporary file ("PATH.tmp"), sync, rename,
// sync of the folder. An error leaves no temporary file behind, as far as the disk lets it be removed.
Result<void> WriteDurably(FileSystem& files, const std::filesystem::path& path, const FileFiller& fill);
Result<void> WriteFileDurably(FileSystem& files, const std::filesystem::path& path, std::string_view contents);

}  // namespace tutti
