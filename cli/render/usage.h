// Who takes how much room on the disk. Pure.
#pragma once

#include <string>

#include "cli/render/text.h"
#include "common/json.h"
#include "storage/fsck/disk_usage.h"

namespace tutti::cli {

// Ensembles and under each its members, then catalog, cache and all else, then the sum.
std::string RenderUsage(const storage::HomeUsage& usage, Colour colour);

// {"ensembles": [{"id", "bytes", "members": [{"name", "bytes"}]}], "catalog_bytes", "cache_bytes", "other_bytes"}
Json UsageDocument(const storage::HomeUsage& usage);

}  // namespace tutti::cli
