// What an attempt's trainer reads of the home, for workers that do not see it: the split of its ensemble, and the
// checkpoint that it goes on from or the weights that it begins with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/file_system.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/result.h"

namespace tutti::server {

struct Input {
  std::filesystem::path file;  // relative to the ensemble's folder
  uint64_t bytes = 0;
  std::string hash;  // XXH3-128; empty where nothing tells it but the file
};

// By the attempt's task; a checkpoint's manifest comes after its files. Errors: kNotFound, kIo, kDenied; kCorrupt for
// what is not as it was written.
Result<std::vector<Input>> InputsOf(const FileSystem& files, const std::filesystem::path& ensemble_folder,
                                    const AttemptId& attempt);

// Reads the files whose hash is not known.
Result<std::vector<Input>> WithHashes(const FileSystem& files, const std::filesystem::path& ensemble_folder,
                                      std::vector<Input> inputs);

// {"inputs": [{"file", "bytes", "hash"}]}
Json ToJson(const std::vector<Input>& inputs);

}  // namespace tutti::server
