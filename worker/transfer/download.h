// The way down: what a trainer reads of the coordinator's home, put where its task looks for it.
#pragma once

#include "common/file_system.h"
#include "common/protocol/task.h"
#include "common/result.h"
#include "worker/transfer/exchange.h"
#include "worker/transfer/sender.h"

namespace tutti::worker {

inline constexpr uint64_t kDownloadPiece = 4 << 20;  // of memory that a download takes

// Fetches the split, and the checkpoint or the weights to begin with, that `task`, whose paths are of this machine,
// names. What is there and whole is not fetched again; what an earlier try left half is gone on with. Errors: those of
// Exchange::Ask; kCorrupt, what came is not what the coordinator has; kNoSpace, kIo of the own disk.
Result<void> FetchInputs(Exchange& exchange, const Sender& sender, FileSystem& files, const protocol::Task& task);

}  // namespace tutti::worker
