// A forecast as the API tells it (docs/api.md). Pure.
#pragma once

#include "common/json.h"
#include "common/result.h"
#include "coordinator/core/forecast.h"

namespace tutti::server {

Json ForecastView(const core::Forecast& forecast);
// The inverse, as a client reads it. kInvalid.
Result<core::Forecast> ForecastFromView(const Json& view);

}  // namespace tutti::server
