// The index of everything: records in SQLite, one writer, one folder a generation.
//
//   catalog/0003/catalog.db
//
// Each start of a coordinator makes catalog/N+1/ (exclusive mkdir), copies into it the newest that passes quick_check
// and writes only there. Before and after every commit it looks whether it is still the newest: an older coordinator
// finds out and leaves (kConflict), on this host or on another over a network file system. The look after it makes the
// promise: whoever starts later than that look sees the commit, whoever started earlier keeps it from being
// acknowledged. On one host a lock file refuses a second one at once and names the first's process id.
//
// Not thread-safe: one owner, one connection.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/file_system.h"
#include "common/ids.h"
#include "common/records.h"
#include "common/result.h"

namespace tutti::storage {

// The lock of this host on a home: refuses a second coordinator. Released on destruction and by the kernel at death.
class HomeLock {
 public:
  // kConflict with the holder's process id and what to do. Makes the home when it is not there. On a file system
  // without locks it is acquired all the same: the generations still keep two coordinators apart.
  static Result<HomeLock> Acquire(const std::filesystem::path& home);
  // Whether a process has it now. Changes nothing. False where that cannot be told.
  static bool IsHeld(const std::filesystem::path& home);
  HomeLock(HomeLock&&) noexcept;
  HomeLock& operator=(HomeLock&&) noexcept;
  ~HomeLock();

 private:
  explicit HomeLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

using Change = std::variant<Record, Erasure, SubmissionKey>;

class Catalog {
 public:
  // Starts a generation in home/catalog. kCorrupt: no generation passes quick_check (`tutti fsck --rebuild` makes a
  // catalog from folders). kInvalid: the newest was written by a newer version of this program. Of the older
  // generations the two newest stay.
  static Result<Catalog> Open(FileSystem& files, const std::filesystem::path& home);
  // Starts a generation that holds `records` and nothing of the generations before it but the numbers that they gave,
  // where one of them can be read (see HighestNumber). A crash leaves either the whole of it or what was there.
  static Result<Catalog> Replace(FileSystem& files, const std::filesystem::path& home, const Records& records);
  // A copy of the newest generation for reading, while no coordinator answers. kNotFound: nothing there.
  // Newer ones that are damaged are passed over, and told of in `warnings` where there is one.
  static Result<Records> ReadNewest(FileSystem& files, const std::filesystem::path& home,
                                    std::vector<std::string>* warnings = nullptr);

  Catalog(Catalog&&) noexcept;
  Catalog& operator=(Catalog&&) noexcept;
  ~Catalog();

  Generation generation() const;
  // What people should know of the start: "catalog generation 4 is damaged, 3 was used".
  const std::vector<std::string>& warnings() const;
  Result<Records> Load() const;
  // All or nothing, durable on return. kConflict: a newer generation exists; what it copied is without these changes,
  // or with all of them when it began while they were written. Any error means that memory is ahead of the disk: the
  // owner must end, and every later Commit fails.
  Result<void> Commit(std::span<const Change> changes);
  // True while no newer generation exists: asked before every outward effect.
  Result<bool> IsNewest() const;
  // The highest N of the ensembles NAME-N that were ever committed, erased ones too; 0: none.
  Result<int> HighestNumber(std::string_view name) const;
  Result<std::map<std::string, int>> HighestNumbers() const;  // by name
  // The ensemble that was submitted with this key; none where it is removed, or the catalog was made from folders.
  Result<std::optional<EnsembleId>> FindSubmission(std::string_view key) const;

 private:
  struct State;
  explicit Catalog(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tutti::storage
