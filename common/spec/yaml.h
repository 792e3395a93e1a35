// Text -> tree, safely: whatever a file holds, it ends in a tree or in a mistake with its place.
#pragma once

#include <optional>
#include <string_view>

#include "common/spec/diagnostic.h"
#include "common/spec/tree.h"

namespace tutti::spec {

inline constexpr size_t kLargestExperimentBytes = size_t{4} << 20;

// One YAML document. Adds to `problems` what is wrong (not UTF-8, too large, too deep, too many nodes once aliases are
// expanded, tags, several documents, duplicate keys, syntax); nothing is returned when there is no tree to go on with.
std::optional<Node> LoadYaml(std::string_view text, int source, Problems& problems);

// The offset of the first byte that does not belong to UTF-8, if any.
std::optional<size_t> FindInvalidUtf8(std::string_view text);

}  // namespace tutti::spec
