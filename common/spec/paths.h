// Paths as people write them.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "common/result.h"

namespace tutti::spec {

// The value of an environment variable, nothing when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment ProcessEnvironment();

// Replaces `${VARIABLE}` and a leading `~` and makes the path absolute within `base`, without looking at the disk.
// Errors (kInvalid): "contains ${DATA}, which is not set; allowed: ...".
Result<std::filesystem::path> ExpandPath(const std::string& text, const std::filesystem::path& base,
                                         const Environment& environment);

}  // namespace tutti::spec
