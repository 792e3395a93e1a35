// Who takes how much room.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/file_system.h"
#include "common/ids.h"
#include "common/result.h"

namespace tutti::storage {

struct MemberUsage {
  std::string member;  // or another job: ".inspect"
  uint64_t bytes = 0;
};

struct EnsembleUsage {
  EnsembleId id;
  uint64_t bytes = 0;                // of its whole folder
  std::vector<MemberUsage> members;  // by name
};

struct HomeUsage {
  std::vector<EnsembleUsage> ensembles;  // by id
  uint64_t catalog_bytes = 0;
  uint64_t cache_bytes = 0;  // prepared data, safe to delete
  uint64_t other_bytes = 0;  // what cut removals left, folders without experiment, logs, and what is not ours
};

// Sizes of files, as a sum. Files that go meanwhile do not count. Errors: kNotFound for an ensemble without folder;
// kIo, kDenied.
Result<EnsembleUsage> MeasureEnsemble(const FileSystem& files, const std::filesystem::path& home, const EnsembleId& id);
// Of all files below a folder; 0 where there is none.
Result<uint64_t> MeasureFolder(const FileSystem& files, const std::filesystem::path& folder);
Result<HomeUsage> MeasureHome(const FileSystem& files, const std::filesystem::path& home);

}  // namespace tutti::storage
