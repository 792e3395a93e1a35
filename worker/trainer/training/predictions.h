// What a finished model says about a split, on disk.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <span>
#include <string>

#include "common/file_system.h"
#include "common/records.h"
#include "common/result.h"

namespace tutti::trainer {

// attempt_folder/predictions/PREDICTOR/SPLIT.safetensors
std::filesystem::path PredictionsFile(const std::filesystem::path& attempt_folder, const std::string& predictor,
                                      Split split);

// "logits" float32 [samples, classes] and "ids" int64 [samples]; on return it would survive a power cut. Returns the
// file's hash (common/hash.h).
Result<std::string> WritePredictions(FileSystem& files, const std::filesystem::path& path, const at::Tensor& logits,
                                     std::span<const int64_t> ids);

}  // namespace tutti::trainer
