// Weights that a member begins with: the ensemble's copy of a file that its user named.
#pragma once

#include <filesystem>
#include <string>

#include "common/file_system.h"
#include "common/result.h"

namespace tutti::trainer {

// Holds a copy against the SHA-256 that it is called by; a file with another name is taken as it is (a run by hand).
// Errors: kCorrupt, with the cure; kNotFound, kIo.
Result<void> CheckCopy(const FileSystem& files, const std::filesystem::path& weights);

// What its user called it, as names.json beside the copy says; the path itself where that says nothing.
std::string NameOfWeights(const FileSystem& files, const std::filesystem::path& weights);

}  // namespace tutti::trainer
