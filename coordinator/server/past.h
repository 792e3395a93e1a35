// What estimates are made from, taken from the core so that they can be made on another thread.
#pragma once

#include <map>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"
#include "common/records.h"
#include "coordinator/core/core.h"
#include "coordinator/server/estimates.h"

namespace tutti::server {

struct Past {
  std::vector<Records> ensembles;  // that run, and the newest, newest first
  std::map<JobId, double> epochs;  // how far those are that run
};

Past PastOf(const core::Core& core);
Estimates EstimatesFrom(const Past& past, TimePoint now);

}  // namespace tutti::server
