// A checkpoint's folder, as those who write it, read it and take it in from elsewhere see it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "common/file_system.h"
#include "common/ids.h"
#include "common/result.h"
#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::storage {

inline constexpr std::string_view kManifestName = "manifest.json";
inline constexpr uint64_t kMaximumManifestBytes = 16 << 20;

// Of "step-00004290", and only of a name that StepFolderName gives.
std::optional<int64_t> ParseStepFolder(std::string_view name);

Result<Manifest> ParseManifest(std::string_view text);

// Whether the folder has the files that the manifest names, with their sizes. kCorrupt.
Result<void> CheckSizes(const FileSystem& files, const std::filesystem::path& folder, const Manifest& manifest);

// A folder that should hold this checkpoint, as what it is: reads its manifest and looks at sizes. kCorrupt with the
// reason when it is not whole.
Result<FoundCheckpoint> ReadCheckpointFolder(const FileSystem& files, const std::filesystem::path& folder,
                                             const AttemptId& attempt, int64_t step);

// XXH3-128 of the first `size_bytes` bytes, in bounded memory.
Result<std::string> HashFile(const FileSystem& files, const std::filesystem::path& path, uint64_t size_bytes);

// Whether a file lies there that has these bytes.
Result<bool> HoldsFile(const FileSystem& files, const std::filesystem::path& path, uint64_t size_bytes,
                       const std::string& hash);

// The commit point: `temporary`, whose files are synced, becomes `folder` durably. kExists.
Result<void> PublishFolder(FileSystem& files, const std::filesystem::path& temporary,
                           const std::filesystem::path& folder);

// An attempt's folder's entry, and those of the folders above it up to the home, survive a power cut.
Result<void> SyncParents(FileSystem& files, const std::filesystem::path& attempt_folder,
                         const std::filesystem::path& ensemble_folder);

}  // namespace tutti::storage
