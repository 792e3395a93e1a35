// Predictions on disk, held against what was recorded of them before anybody uses them.
#pragma once

#include <cstdint>
#include <filesystem>

#include "common/file_system.h"
#include "common/records.h"
#include "common/result.h"
#include "common/tensors/tensor_file.h"

namespace tutti::storage {

// The file of `row`, which lies at `path`. Where the row has a hash, its bytes are those that were written; one of an
// earlier build has none: then the file has as many samples as the row says.
// Errors: kNotFound, kIo, kDenied; kCorrupt. Each names the file.
Result<tensors::TensorFile> ReadPredictions(const FileSystem& files, const std::filesystem::path& path,
                                            const PredictionRecord& row);

// How many samples a file of predictions has. Errors: as above.
Result<int64_t> CountSamples(const FileSystem& files, const std::filesystem::path& path);

}  // namespace tutti::storage
