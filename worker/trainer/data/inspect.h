// The inspect job: what a source holds, for whoever draws the split.
#pragma once

#include "common/protocol/task.h"
#include "common/protocol/trainer_events.h"
#include "common/result.h"

namespace tutti::trainer {

// Opens the task's images and writes task.folder/labels.safetensors (see protocol::Inspected), which on return would
// survive a power cut. Errors: those of OpenImages, and of writing.
Result<protocol::Inspected> Inspect(const protocol::Task& task);

}  // namespace tutti::trainer
