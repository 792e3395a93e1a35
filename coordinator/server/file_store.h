// Files that experiments name: taken in piece by piece before a submission, kept for those that follow, and copied into
// each ensemble, whose own they are from then on.
//
//   HOME/files/              only its user may enter it
//   HOME/files/HASH          whole
//   HOME/files/.HASH.part    what has come of one
//   HOME/ID/files/HASH.safetensors, names.json   an ensemble's own, and where each lay: [{"path", "sha256"}]
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/file_system.h"
#include "common/json.h"
#include "common/result.h"
#include "common/spec/experiment_files.h"
#include "coordinator/server/pieces.h"

namespace tutti::server {

// How much of the file with this hash is there. This and the next want one caller at a time for each hash.
// Errors: kIo, kDenied.
Result<Received> FindFile(FileSystem& files, const std::filesystem::path& home, const std::string& hash);

// Takes in a piece that begins where FindFile() says, of a file of `bytes`; on return with `complete` it would survive
// a power cut. A repeat of what is complete says so. Errors: kConflict, the piece begins elsewhere; kCorrupt, the whole
// has another hash: it is thrown away and may be sent anew; kInvalid, the piece goes beyond the end; kNoSpace, what
// came before stays; kIo.
Result<Received> ReceiveFile(FileSystem& files, const std::filesystem::path& home, const std::string& hash,
                             uint64_t bytes, uint64_t offset, const std::string& piece);

// Copies them into the folder of an ensemble that is being made; durable but for the name of `files` there. Errors:
// kNotFound, naming a file that is not in the home, or no longer what it was: it is to be sent first; kNoSpace, kIo.
Result<void> CopyFiles(FileSystem& files, const std::filesystem::path& home, const spec::FileHashes& hashes,
                       const std::filesystem::path& ensemble_folder);

// Where an ensemble's files lay when it was submitted: [{"path", "sha256"}]; null where it has none.
Json FileNames(const FileSystem& files, const std::filesystem::path& ensemble_folder);

// What submissions left there longer than a day ago: names in the home. Nothing else, and nothing in a folder that is
// open to others. Errors: kIo, kDenied.
Result<std::vector<std::filesystem::path>> FindOldFiles(const FileSystem& files, const std::filesystem::path& home,
                                                        TimePoint now);

// Removes those.
void TidyFiles(FileSystem& files, const std::filesystem::path& home, TimePoint now);

}  // namespace tutti::server
