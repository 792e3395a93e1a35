// What optimizers and schedules read of the experiment.
#pragma once

#include "common/json.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::trainer {

// Throws Json::exception where the choice has no such number: the registries turn it into an error.
inline double Number(const spec::Choice& choice, const char* key) { return choice.parameters.at(key).get<double>(); }

}  // namespace tutti::trainer
