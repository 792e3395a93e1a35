// What a plan says for people. Pure.
#pragma once

#include <string>

#include "cli/render/text.h"
#include "coordinator/core/forecast.h"

namespace tutti::cli {

// `where`: what would train it.
std::string RenderPlan(const core::Forecast& forecast, const std::string& where, const Page& page);

}  // namespace tutti::cli
