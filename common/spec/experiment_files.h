// Files that an experiment names and that travel with it, known by their SHA-256: weights that members begin with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "common/result.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::spec {

inline constexpr uint64_t kLargestExperimentFile = uint64_t{2} << 30;

// SHA-256 as 64 hexadecimal digits, by path.
using FileHashes = std::map<std::filesystem::path, std::string>;
bool IsFileHash(std::string_view text);

// The paths as they stand in the experiment, each once.
std::set<std::filesystem::path> FilesOf(const EnsembleSpec& spec);

// Beside the copies of an ensemble: where each lay when it was submitted, [{"path", "sha256"}].
inline constexpr const char* kCopyNames = "names.json";

// Where an ensemble keeps its own copy of such a file, in its folder: "files/HASH.safetensors".
std::filesystem::path CopyOf(const std::string& hash);

// The same experiment with each file by its copy: what stands in resolved.yaml, whose relative paths begin in the
// ensemble's folder. So an experiment is the same where its files hold the same, wherever they lie, and another where
// they hold something else. kInvalid: a file without a hash, a hash that is none, or of a file that is not named.
Result<EnsembleSpec> WithCopies(EnsembleSpec spec, const FileHashes& hashes);

}  // namespace tutti::spec
