// EnsembleSpec -> experiment file: what `resolved.yaml` holds and `tutti validate --resolved` prints.
#pragma once

#include <string>

#include "common/spec/ensemble_spec.h"

namespace tutti::spec {

// YAML with every default filled in and every member written out. Parsing it gives the same EnsembleSpec, wherever the
// file lies; numbers and words read the same in other YAML libraries.
std::string RenderYaml(const EnsembleSpec& spec);

}  // namespace tutti::spec
