// Experiments for tests, as their users would write them.
#pragma once

#include <string>

#include "common/spec/ensemble_spec.h"

namespace tutti::testing {

// Three members "mlp-s0" to "mlp-s2" of ten epochs; `data` and `rest` are further lines of YAML.
spec::EnsembleSpec AnExperiment(const std::string& data = "  validation: 15\n", const std::string& rest = "",
                                int seeds = 3);
// The body of POST /api/v1/ensembles.
std::string Submission(const spec::EnsembleSpec& spec, const std::string& more = "");

// SHA-256 as 64 hexadecimal digits.
std::string HashOf(const std::string& content);

}  // namespace tutti::testing
