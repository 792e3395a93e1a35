// provenance.json: with resolved.yaml, what one needs to repeat a run.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/file_system.h"
#include "common/json.h"
#include "common/records.h"

namespace tutti::server {

std::string_view Version();  // of this program: "0.1.0"
std::string_view Commit();  // from which it was built, with "-dirty" where files differed; empty when that is not known

// Of one ensemble, from its records alone: versions, host, data, and which attempts ran where. Pure but for the names
// of this host and program.
Json Provenance(const Records& records, const EnsembleId& id);

// Adds what the ensemble's folder tells: where the files lay that travelled with the experiment, and what the trainers
// said of themselves when they started (LibTorch, device, every `auto` that was decided).
Json WithFilesAndTrainers(const FileSystem& files, const std::filesystem::path& ensemble_folder, Json provenance);

}  // namespace tutti::server
