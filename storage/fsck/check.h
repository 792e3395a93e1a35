// Holds the catalog against the folders: every row against what it names, every folder against its rows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/file_system.h"
#include "common/records.h"
#include "common/result.h"

namespace tutti::storage {

enum class ProblemKind {
  kRowWithoutFolder,  // a checkpoint, ensemble, file, prediction, split or answer that the catalog has and the disk has
                      // not
  kDamaged,           // its bytes are not those that were written
  kFolderWithoutRow,  // whole, and adopted before its member's next attempt or by a rebuild
  kMarked,            // being deleted; goes on at the next start
  kTemporary,         // what an attempt that ended left half written
  kQuarantined,       // unknown or broken, without a row: left alone
};
std::string_view Name(ProblemKind kind);  // "row without folder"

// True for what was promised and is lost; the others mend themselves or harm nobody.
bool IsAlarm(ProblemKind kind);

// What is said of an attempt's folder that no coordinator prepared.
inline constexpr const char* kRunByHand = "a run by hand: no coordinator put a task.json there, and it is left alone";

struct Problem {
  ProblemKind kind = ProblemKind::kDamaged;
  std::filesystem::path path;
  std::string text;  // what is wrong and what to do, for people
};

struct CheckReport {
  std::vector<Problem> problems;  // by ensemble and path
  int ensembles = 0;
  int checkpoints = 0;  // looked at
  uint64_t bytes = 0;   // of them, read and hashed

  int alarms() const;
};

// Changes nothing; reads every byte of every checkpoint, of all predictions and of files that came with experiments.
// With a coordinator at work, checkpoints that were written after `records` were read appear without row. Errors: kIo,
// kDenied.
Result<CheckReport> Check(FileSystem& files, const std::filesystem::path& home, const Records& records);

}  // namespace tutti::storage
