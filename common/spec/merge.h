// Laying one part of an experiment over another.
#pragma once

#include <string>
#include <string_view>

#include "common/spec/tree.h"

namespace tutti::spec {

// `overlay` over `base`, both found at `section` (a key's path, keys.h): maps merge, lists and scalars replace; a
// choice whose name changes drops its siblings; of two exclusive keys the overlay's one stays.
Node Merge(std::string_view section, const Node& base, const Node& overlay);

// Lays `value` over what `tree` has at `path` ("training.optimizer.lr", "members.0.seeds"), making maps on the way.
// Where the path leads beyond the end of the list of members, a mistake is added at `position`.
void Override(Node& tree, std::string_view path, Node value, Position position, Problems& problems);

}  // namespace tutti::spec
