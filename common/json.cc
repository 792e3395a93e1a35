#include "common/json.h"

namespace tutti {

Result<Json> ParseJson(std::string_view text, int maximum_depth) {
  bool too_deep = false;
  const auto limit_depth = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > maximum_depth;
    return !too_deep;
  };
  try {
    Json document = Json::parse(text, limit_depth);
    if (too_deep) return Fail(ErrorCode::kInvalid, "JSON nested deeper than {} levels", maximum_depth);
    return document;
  } catch (const Json::exception& error) {
    return Fail(ErrorCode::kInvalid, "not JSON: {}", error.what());
  }
}

}  // namespace tutti
