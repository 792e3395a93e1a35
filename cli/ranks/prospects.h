// Whether what still waits will ever run. A rank that has died does not come back, so that a member may have become
// wider than all that is left. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "cli/gangs.h"
#include "cli/render/documents.h"
#include "common/result.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::cli {

class Prospects {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `lenders`: all that the launch began with.
  Prospects(spec::EnsembleSpec spec, std::vector<Lender> lenders)
      : spec_(std::move(spec)), lenders_(std::move(lenders)) {}

  // Looked at again and again. kCancelled once nothing has run for ten seconds, something waits, and none of it fits
  // the workers that are left of those that had come.
  std::optional<Error> Look(const EnsembleDocument& ensemble, const std::vector<WorkerDocument>& workers, Time now);

 private:
  std::optional<Error> WhatNeverFits(const EnsembleDocument& ensemble,
                                     const std::vector<WorkerDocument>& workers) const;

  const spec::EnsembleSpec spec_;
  const std::vector<Lender> lenders_;
  bool all_had_come_ = false;
  std::optional<Time> first_looked_;
  std::optional<Time> hopeless_since_;
};

}  // namespace tutti::cli
