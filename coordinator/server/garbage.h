// What lies in a home and is of no use to anybody.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/file_system.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/result.h"

namespace tutti::server {

struct Garbage {
  enum class Kind { kCutRemoval, kHalfWritten, kPrepared, kOldFile };
  Kind kind = Kind::kHalfWritten;
  std::filesystem::path path;  // relative to the home
  uint64_t bytes = 0;
};

// Looks for what removals that were cut short left, and trainers that nobody could tell that their ensemble was removed
// (of ids that were `given` and are not `known`), for checkpoints that attempts which have ended left half written
// (`ended` are all of them), for files of submissions that came more than a day before `now`, and, when nothing trains,
// for prepared data. Errors: kIo, kDenied.
struct GarbageSearch {
  std::vector<AttemptId> ended;
  bool trains = true;
  TimePoint now{};
  std::map<std::string, int> given = {};  // the highest number of each name
  std::set<EnsembleId> known = {};        // that are not removed
};
Result<std::vector<Garbage>> FindGarbage(FileSystem& files, const std::filesystem::path& home,
                                         const GarbageSearch& search);
// No error for what is gone already.
Result<void> RemoveGarbage(FileSystem& files, const std::filesystem::path& home, const std::vector<Garbage>& garbage);

// {"garbage": [{"kind", "path", "bytes"}], "bytes", "removed"}
Json GarbageView(const std::vector<Garbage>& garbage, bool removed);

}  // namespace tutti::server
