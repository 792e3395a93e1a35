// What `tutti watch` fills a terminal with. Pure.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "cli/render/progress.h"

namespace tutti::cli {

// Lines that fit the view: how the ensemble stands, what happened last (the newest last), and how to leave.
std::vector<std::string> RenderWatchScreen(const EnsembleDocument& document, const std::deque<std::string>& news,
                                           LiveView view);

}  // namespace tutti::cli
