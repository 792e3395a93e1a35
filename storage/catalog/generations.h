// The folders of the catalog's generations: catalog/0001, catalog/0002, ...
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "common/file_system.h"
#include "common/ids.h"
#include "common/result.h"

namespace tutti::storage {

inline constexpr std::string_view kDatabaseName = "catalog.db";

std::filesystem::path GenerationFolder(const std::filesystem::path& catalog, Generation generation);

// Those that have a folder, rising. Errors: kNotFound without `catalog`.
Result<std::vector<Generation>> ListGenerations(const FileSystem& files, const std::filesystem::path& catalog);

// Makes the folder after the highest, exclusively and durably; goes on to the next when another was faster.
Result<Generation> ClaimGeneration(FileSystem& files, const std::filesystem::path& catalog);

// Copies database and write-ahead log of the generation in `from` into the empty folder `to`. The database appears
// under its name last and whole: a crash leaves a folder without one. Reads again when either changed meanwhile.
// Errors: kNotFound when `from` has no database or one without a byte, as a start that was killed leaves it; kCorrupt
// when that lies beside a log, which never comes first; kConflict when it never came to rest.
Result<void> CopyGeneration(FileSystem& files, const std::filesystem::path& from, const std::filesystem::path& to);

// Removes a generation that its owner could not begin or that nobody needs. A crash leaves it whole or renamed away.
Result<void> RemoveGeneration(FileSystem& files, const std::filesystem::path& catalog, Generation generation);

// Removes what is older than the `keep` newest generations with a database: folders that a start left empty do not
// count. What cannot be removed stays.
void RemoveOldGenerations(FileSystem& files, const std::filesystem::path& catalog, size_t keep);

}  // namespace tutti::storage
