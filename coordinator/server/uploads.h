// What workers send that share no file system with the home: files of their attempts, taken in piece by piece.
//
//   ATTEMPT/.uploads/HASH.part               what has come of a file
//   ATTEMPT/.uploads/step-00004290/NAME.HASH   a checkpoint's files that are whole, until its manifest comes
//
// A file that is whole is verified by its hash and synced, then it gets its name: a crash at any point leaves the whole
// file there, or nothing under that name. A checkpoint's manifest comes last and commits it, as its trainer would have.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "common/file_system.h"
#include "common/ids.h"
#include "common/result.h"
#include "coordinator/server/pieces.h"

namespace tutti::server {

struct Upload {
  AttemptId attempt;
  // Relative to the attempt's folder: events.jsonl, log.txt, labels.safetensors,
  // predictions/PREDICTOR/SPLIT.safetensors, step-N/{manifest.json,model.safetensors,training.safetensors}.
  std::string file;
  uint64_t bytes = 0;  // of the file; of events.jsonl: of what there is by now
  std::string hash;    // XXH3-128 of the file; of events.jsonl, which is appended to in place, nothing
};

// kInvalid: no attempt has a file of that name, or the hash is none.
Result<void> CheckUpload(const Upload& upload);

// How much of it is there. This and the next want one caller at a time for each attempt.
// Errors: kIo, kDenied.
Result<Received> FindReceived(FileSystem& files, const std::filesystem::path& ensemble_folder, const Upload& upload);

// Takes in a piece that begins where FindReceived() says; on return with `complete` the file would survive a power cut.
// A repeat of what is complete says so. Errors: kConflict, the piece begins elsewhere; kCorrupt, the whole has another
// hash: it is thrown away and may be sent anew; kInvalid, the piece goes beyond the end, or a manifest names what was
// not sent; kNoSpace, what came before stays; kIo.
Result<Received> Receive(FileSystem& files, const std::filesystem::path& ensemble_folder, const Upload& upload,
                         uint64_t offset, const std::string& piece);

}  // namespace tutti::server
