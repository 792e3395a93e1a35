// The way up: files of an attempt go to the coordinator piece by piece, from where an earlier try ended.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/file_system.h"
#include "common/ids.h"
#include "common/protocol/task.h"
#include "common/protocol/trainer_events.h"
#include "common/result.h"
#include "worker/transfer/exchange.h"
#include "worker/transfer/sender.h"

namespace tutti::worker {

struct OutgoingFile {
  std::filesystem::path path;
  std::string name;  // relative to the attempt's folder
  uint64_t bytes = 0;
  std::string hash;  // XXH3-128; empty for what grows: events.jsonl, log.txt
};

inline constexpr uint64_t kUploadPiece = 1 << 20;  // of memory that an upload takes

// Returns once the coordinator has the whole file durably; what it has already is not sent again. Errors: those of
// Exchange::Ask; kCorrupt, what arrived was something else; those of the own disk, as kInternal.
Result<void> SendFile(Exchange& exchange, const Sender& sender, const FileSystem& files, const AttemptId& attempt,
                      const OutgoingFile& file);

// The same to wherever `target` tells by GET how much it has, and takes each next piece by `method`, with its `offset`
// in the query.
struct Destination {
  std::string method;
  std::string target;  // with a query that is begun: "/a/b?bytes=5"
};
Result<void> SendPieces(Exchange& exchange, const FileSystem& files, const OutgoingFile& file,
                        const Destination& destination);

// A whole file of the attempt's folder as it is now. Errors: kNotFound, kIo.
Result<OutgoingFile> WholeFile(const FileSystem& files, const std::filesystem::path& attempt_folder,
                               const std::string& name);

// The files that an event says were written, in the order in which they are to be sent: a checkpoint's manifest, which
// commits it, is the last. Errors: kNotFound, kIo; kCorrupt; kInvalid for what lies elsewhere than in the attempt's
// folder.
Result<std::vector<OutgoingFile>> FilesOf(const FileSystem& files, const protocol::Task& task,
                                          const protocol::TrainerEvent& event);
// Whether it says so of any.
bool NamesFiles(const protocol::TrainerEvent& event);

}  // namespace tutti::worker
