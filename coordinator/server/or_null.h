// Values that may be missing, as documents show them.
#pragma once

#include <optional>

#include "common/clock.h"
#include "common/json.h"

namespace tutti::server {

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}
inline Json OrNull(const std::optional<TimePoint>& time) { return time ? Json(FormatTime(*time)) : Json(nullptr); }

}  // namespace tutti::server
