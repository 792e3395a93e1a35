// An experiment file as the command line is given it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/spec/ensemble_spec.h"

namespace tutti::cli {

struct Experiment {
  spec::EnsembleSpec spec;
  std::string source;  // the file's text
};

// Nothing when there are mistakes: each has been printed to standard error.
std::optional<Experiment> ReadExperiment(const std::string& file, const std::vector<std::string>& overrides);

}  // namespace tutti::cli
