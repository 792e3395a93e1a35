// What a training needs before it can begin: its task checked, its data opened, its samples.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "common/file_system.h"
#include "common/protocol/task.h"
#include "common/result.h"
#include "worker/trainer/data/images.h"
#include "worker/trainer/training/shards.h"

namespace tutti::trainer {

// Sample ids; those that an ensemble has none of are empty.
struct SampleIds {
  std::vector<int64_t> training, validation, calibration, test;
};

// kInvalid: a split that is missing or broken, has no training samples, or names samples beyond the source's. Errors of
// the disk stay theirs.
Result<SampleIds> ReadSampleIds(const FileSystem& files, const std::filesystem::path& split, int64_t samples);

struct Inputs {
  Images images;  // of the size that the member's prepare asks for
  SampleIds ids;
  Plan plan;
};

// kInvalid: the task. kCorrupt: the data are broken, or not those that were inspected. kIo, kNoSpace: the disk.
Result<Inputs> OpenInputs(const FileSystem& files, const protocol::Task& task);

}  // namespace tutti::trainer
