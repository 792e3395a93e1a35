// What this trainer was built from, and where it trains.
#pragma once

#include <string>

#include "common/json.h"

namespace tutti::trainer {

// {"version": "0.1.0", "libtorch": "2.13.0", "cuda": 13000 or null, "devices": ["cpu"]}: `cuda` is that of LibTorch's
// build, `devices` are those that members can train on. Needs no GPU.
Json DescribeBuild(const std::string& version);

}  // namespace tutti::trainer
