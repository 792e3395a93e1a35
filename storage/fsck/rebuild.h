// A catalog from folders alone, when no generation of it is left or none can be trusted.
#pragma once

#include <filesystem>
#include <vector>

#include "common/file_system.h"
#include "common/records.h"
#include "common/result.h"
#include "storage/catalog/catalog.h"
#include "storage/fsck/check.h"

namespace tutti::storage {

struct RebuiltRecords {
  Records records;                // by key, as the catalog gives them
  std::vector<Problem> problems;  // what was found and could not be taken in
};

// Reads every ensemble's folder: its experiment from resolved.json, its attempts' events, its checkpoints of every
// attempt (verified by hash) and its predictions. An ensemble whose members have all finished and whose results.json is
// there is finished, all others are stopped: resuming them trains nothing again that a checkpoint holds.
// Errors: kIo, kDenied.
Result<RebuiltRecords> ReadFolders(FileSystem& files, const std::filesystem::path& home);

// ReadFolders, committed as a new generation that takes nothing from those before it. The caller holds the home's lock.
struct Rebuilt {
  Catalog catalog;
  std::vector<Problem> problems;
};
Result<Rebuilt> Rebuild(FileSystem& files, const std::filesystem::path& home);

}  // namespace tutti::storage
