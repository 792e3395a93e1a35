// What can be downloaded of an ensemble: files that its records name. They are asked for by id, never by path.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/file_system.h"
#include "common/json.h"
#include "common/records.h"
#include "common/result.h"
#include "coordinator/server/http.h"

namespace tutti::server {

struct Artifact {
  // kExperiment: what the user wrote, and what it became; with the provenance they name paths and hosts.
  enum class Kind { kResults, kPredictions, kCheckpoint, kExperiment };

  std::string id;  // the same as long as the file has its name
  Kind kind = Kind::kResults;
  std::filesystem::path file;        // relative to the ensemble's folder
  std::optional<AttemptId> attempt;  // of a member's
  std::optional<int64_t> step;
  std::optional<std::string> hash;  // where a row has it

  Role least() const;  // who may have it
};

// Those that the records tell of; whether they are on disk is not asked. Pure.
std::vector<Artifact> ArtifactsOf(const Records& records, const EnsembleId& id);

// {"artifacts": [{"id", "kind", "name", "member", "attempt", "step", "bytes", "hash"}]}: those that are on disk.
Json ArtifactsView(const FileSystem& files, const std::filesystem::path& folder,
                   const std::vector<Artifact>& artifacts);

// Of one answer: whoever wants more of a file asks for its ranges.
inline constexpr uint64_t kLongestDownload = 16 * 1024 * 1024;
// The file, or the range of it that `range` (a header's value, perhaps empty) asks for, cut to kLongestDownload. A
// longer file without a range is a 400; a range beyond its end a 416.
HttpResponse Download(const FileSystem& files, const std::filesystem::path& path, std::string_view range);

}  // namespace tutti::server
