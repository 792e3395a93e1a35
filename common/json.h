// JSON as the whole program speaks it: keys keep their order, so that what is written reads as it was meant.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "common/result.h"

namespace tutti {

using Json = nlohmann::ordered_json;

// Parses one document of at most `maximum_depth` nested levels. Errors: kInvalid, with the position.
Result<Json> ParseJson(std::string_view text, int maximum_depth = 64);

}  // namespace tutti
