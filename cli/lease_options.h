// How long a coordinator waits for workers that it does not hear: options that several commands have.
#pragma once

#include <CLI/App.hpp>

#include "coordinator/core/core.h"

namespace tutti::cli {

struct LeaseOptions {
  core::Settings settings;
  // --disconnect-grace and --silence-limit.
  void AddTo(CLI::App& command);
  // --recovery-lease as well.
  void AddAllTo(CLI::App& command);
};

}  // namespace tutti::cli
