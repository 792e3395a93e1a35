// Tries in a folder what checkpoints and catalogs rely on.
#pragma once

#include <filesystem>

#include "common/file_system.h"
#include "common/result.h"

namespace tutti::cli {

// The path, or the nearest above it that exists; perhaps no folder.
std::filesystem::path NearestThatIsThere(const std::filesystem::path& path);

// Makes a folder of its own there, in which a second exclusive mkdir must fail, a file must be written, synced and read
// again, and one must be renamed over another; then removes it. The error says what does not work.
Result<void> TryFolder(FileSystem& files, const std::filesystem::path& folder);

}  // namespace tutti::cli
