// As much of JSON Schema as the experiment's schema uses.
#pragma once

#include <string>
#include <vector>

#include "common/json.h"

namespace tutti::spec::test {

// What is wrong with `value`, by JSON pointer; nothing when it fits. A keyword that is not known here is reported too,
// so that none passes unread.
std::vector<std::string> CheckAgainstSchema(const Json& value, const Json& schema);

}  // namespace tutti::spec::test
