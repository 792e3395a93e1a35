// A disk that fails when a test says so.
//
// It passes everything on to a real file system, counts the operations from 1 on, and can make one of them fail or
// crash the machine: from then on every operation fails. After a crash the page cache can be lost as well: contents
// that were not synced, and entries of folders that were not synced, go back to what they were. RemoveAll and
// CreateDirectories are made of single steps, since a crash can come between them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/file_system.h"

namespace tutti::testing {

class FaultyFileSystem : public FileSystem {
 public:
  explicit FaultyFileSystem(FileSystem& base) : base_(base) {}

  // The operation with this number fails with `code` and does nothing. The ones after it work.
  void FailAt(int64_t operation, ErrorCode code);
  // As FailAt; an Append writes the first half of its bytes before it fails.
  void CutShortAt(int64_t operation, ErrorCode code);
  // The machine is lost in the middle of this operation: an Append gets half of its bytes out, others nothing.
  void CrashAt(int64_t operation);
  // Runs `hook` before this operation: what another process does meanwhile.
  void Before(int64_t operation, std::function<void()> hook);

  // After a crash. The worst that a power cut may do: nothing that was not synced is there.
  void LoseAllUnsynced();
  // Some of it, chosen by `seed`: entries of folders in the order in which they were changed, contents in any.
  void LoseSomeUnsynced(uint64_t seed);

  int64_t operations() const;
  std::vector<std::string> log() const;  // "rename a b", by operation
  bool fault_happened() const;

  Result<std::unique_ptr<WritableFile>> Create(const std::filesystem::path& path) override;
  Result<std::unique_ptr<WritableFile>> OpenForAppend(const std::filesystem::path& path) override;
  Result<std::string> Read(const std::filesystem::path& path) const override;
  Result<std::string> ReadRange(const std::filesystem::path& path, uint64_t offset, uint64_t length) const override;
  Result<FileInfo> Stat(const std::filesystem::path& path) const override;
  Result<std::vector<FileInfo>> List(const std::filesystem::path& directory) const override;
  Result<void> CreateDirectory(const std::filesystem::path& path) override;
  Result<void> CreateDirectories(const std::filesystem::path& path) override;
  Result<void> Rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  Result<void> Remove(const std::filesystem::path& path) override;
  Result<void> RemoveAll(const std::filesystem::path& path) override;
  Result<void> SyncDirectory(const std::filesystem::path& path) override;

 private:
  class File;
  enum class FaultKind { kError, kShort, kCrash };
  struct Fault {
    FaultKind kind = FaultKind::kError;
    ErrorCode code = ErrorCode::kIo;
  };
  // A change of a folder that a power cut may undo.
  struct Entry {
    enum class Kind { kAdded, kRenamed, kRemoved };
    Kind kind = Kind::kAdded;
    std::filesystem::path path;               // added, removed, or renamed to
    std::filesystem::path from;               // of a rename
    std::optional<std::string> old_contents;  // of a file that was removed or replaced
    bool was_directory = false;               // of one that was removed
  };

  // Counts an operation. The error with which it must fail, if it must.
  Result<void> Step(const std::string& what) const;
  Result<void> AppendTo(WritableFile& file, const std::filesystem::path& path, std::span<const std::byte> bytes);
  Result<std::unique_ptr<WritableFile>> Open(const std::filesystem::path& path, std::string_view what);
  void ForgetEntriesOf(const std::filesystem::path& directory);
  void MoveContents(const std::filesystem::path& from, const std::filesystem::path& to);
  void MoveEntries(const std::filesystem::path& from, const std::filesystem::path& to, size_t count);
  void Undo(const Entry& entry);

  FileSystem& base_;
  mutable std::recursive_mutex mutex_;  // guards what follows
  std::map<int64_t, Fault> faults_;
  std::map<int64_t, std::function<void()>> hooks_;
  mutable std::vector<std::string> log_;
  mutable bool fault_happened_ = false;
  mutable bool crashed_ = false;
  std::vector<Entry> unsynced_entries_;                          // in the order in which they happened
  std::map<std::filesystem::path, uint64_t> unsynced_contents_;  // the size of each file that is safe
};

}  // namespace tutti::testing
