// What can be chosen by name in an experiment, and with which parameters: models, optimizers, schedules, augmentations,
// combiners, data sources. LibTorch-free. The parser, the JSON Schema, the docs' table and the trainer's check all come
// from these descriptors; what they describe is built elsewhere (worker/trainer, ensemble).
//
// A new one is a function that returns its descriptor and a line in the list of its kind (models.cc, optimizers.cc,
// schedules.cc, augmentations.cc, combiners.cc, sources.cc).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "common/spec/ensemble_spec.h"
#include "common/spec/value_type.h"

namespace tutti::spec {

struct Parameter {
  std::string name;  // any word but "name", and of models "weights"
  ValueType type;    // one that ReadValue reads
  Json default_value;
  std::string sentence;  // for the docs
};

// What is wrong with parameters that are each right by themselves, if anything: "X; allowed: Y".
using ParameterCheck = std::optional<std::string> (*)(const Json& parameters);

struct Descriptor {
  std::string name;
  std::string sentence;
  std::vector<Parameter> parameters;
  std::string scalar_parameter = "";  // the one that the short form `{NAME: VALUE}` sets; empty: there is none
  ParameterCheck check = nullptr;
};

// In the order of the docs. Built once; valid for ever.
const std::vector<Descriptor>& Descriptors(ChoiceKind kind);
const Descriptor* FindDescriptor(ChoiceKind kind, std::string_view name);
std::vector<std::string> NamesOf(ChoiceKind kind);
std::string_view Name(ChoiceKind kind);  // "model"

// What is meant where no name is written; empty when one must be.
std::string_view DefaultNameOf(ChoiceKind kind);

// The choice `name` with the default of each of its parameters. Aborts when there is no such name.
Choice DefaultChoice(ChoiceKind kind, std::string_view name);

// Checks a choice and fills in what it leaves out. `json` is a name, or a map with the key "name" and parameters; an
// augmentation is a name, or a map of the name to its parameters: {"crop": {"padding": 2}}. The parameters come out
// complete, in the descriptor's order, whole numbers as JSON integers and numbers as doubles.
// Errors: kInvalid, naming every key that is wrong, what is allowed and the nearest name.
Result<Choice> CompleteChoice(ChoiceKind kind, const Json& json);

// The inverse, in the form that an experiment has.
Json ChoiceToJson(ChoiceKind kind, const Choice& choice);

}  // namespace tutti::spec
