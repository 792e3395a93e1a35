// An ensemble's folder, made under a name that is nobody's and given its own by one rename, so that a crash leaves the
// whole of it or nothing that anybody takes for an ensemble.
//
//   HOME/.new-KEY/   with experiment.yaml, resolved.{yaml,json}, members/ and, where files came with it, files/
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/file_system.h"
#include "common/ids.h"
#include "common/result.h"
#include "common/spec/ensemble_spec.h"
#include "common/spec/experiment_files.h"

namespace tutti::server {

struct NewEnsemble {
  spec::EnsembleSpec spec;            // its files by their copies
  spec::FileHashes files;             // which are copied from what was sent (file_store.h)
  std::optional<std::string> source;  // as the user wrote it
};

// All of it, durably but for its own name; takes as long as its files do. On an error nothing stays. Errors: those of
// CopyFiles(); kNoSpace, kIo.
Result<std::filesystem::path> DraftEnsemble(FileSystem& files, const std::filesystem::path& home,
                                            const NewEnsemble& ensemble);

// Makes it HOME/NAME-N with the first free N above `highest`; on return that would survive a power cut. A name that is
// there already was given too: a coordinator died before it said so. On an error the draft is the caller's to remove.
// Errors: kNoSpace, kIo.
Result<EnsembleId> GiveId(FileSystem& files, const std::filesystem::path& draft, const std::string& name, int highest);

// While nothing is submitted: what coordinators left that were killed between the two. What cannot be read counts as
// none.
std::vector<std::filesystem::path> FindDrafts(const FileSystem& files, const std::filesystem::path& home);

}  // namespace tutti::server
