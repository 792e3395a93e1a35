// Which folders of a home are ensembles.
#pragma once

#include <filesystem>
#include <set>

#include "common/file_system.h"
#include "common/ids.h"
#include "common/result.h"

namespace tutti::storage {

inline constexpr const char* kResolvedExperiment = "resolved.json";

// False only where nothing is there: a disk that does not answer now is an error, not an absence.
Result<bool> IsThere(const FileSystem& files, const std::filesystem::path& path);

// Those with a resolved experiment. A home that is not there has none. Errors: kIo, kDenied.
Result<std::set<EnsembleId>> EnsembleFolders(const FileSystem& files, const std::filesystem::path& home);

}  // namespace tutti::storage
