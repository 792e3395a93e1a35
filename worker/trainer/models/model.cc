#include "worker/trainer/models/model.h"

#include <algorithm>
#include <array>
#include <exception>
#include <string_view>
#include <utility>

#include "common/spec/descriptor.h"
#include "worker/trainer/models/builders.h"
#include "worker/trainer/models/initialization.h"

namespace tutti::trainer {
namespace {

struct Registration {
  std::string_view name;
  Result<std::shared_ptr<Model>> (*make)(const ModelRequest& request);
};

constexpr std::array kModels = {
    Registration{"mlp", MakeMlp},
    Registration{"lenet5", MakeLenet5},
    Registration{"resnet8", MakeResnet8},
    Registration{"resnet20", MakeResnet20},
};

// With the descriptor's defaults for what is missing.
Result<Json> CompleteParameters(const spec::Choice& choice) {
  Json json = {{"name", choice.name}};
  if (choice.parameters.is_object()) json.update(choice.parameters);
  TUTTI_ASSIGN_OR_RETURN(spec::Choice complete, spec::CompleteChoice(spec::ChoiceKind::kModel, json));
  return std::move(complete.parameters);
}

Result<void> CheckShape(const InputShape& input, int64_t classes) {
  if (input.channels >= 1 && input.height >= 1 && input.width >= 1 && classes >= 1) return {};
  return Fail(ErrorCode::kInvalid, "no model for images of {}x{}x{} (channels x height x width) in {} classes",
              input.channels, input.height, input.width, classes);
}

Result<std::shared_ptr<Model>> Build(const Registration& registration, const ModelRequest& request, int64_t seed) {
  try {
    const SeededDrawing drawing(seed);
    return registration.make(request);
  } catch (const std::exception& error) {
    return Fail(ErrorCode::kInternal, "cannot build {}: {}", registration.name, error.what());
  }
}

}  // namespace

Result<void> CheckSize(const InputShape& input, int64_t least) {
  if (input.height >= least && input.width >= least) return {};
  return Fail(ErrorCode::kInvalid,
              "images of {}x{} are too small for this model: it needs {}x{} at least; enlarge them", input.height,
              input.width, least, least);
}

Result<std::shared_ptr<Model>> MakeModel(const spec::Choice& choice, InputShape input, int64_t classes, int64_t seed) {
  TUTTI_RETURN_IF_ERROR(CheckShape(input, classes));
  TUTTI_ASSIGN_OR_RETURN(Json parameters, CompleteParameters(choice));
  const auto found = std::find_if(kModels.begin(), kModels.end(),
                                  [&](const Registration& model) { return model.name == choice.name; });
  if (found == kModels.end()) {
    return Fail(ErrorCode::kInvalid, "model: '{}' cannot be built by this trainer; update it", choice.name);
  }
  auto model = Build(*found, {std::move(parameters), input, classes}, seed);
  if (!model) return FailBecause(std::move(model.error()), "model {}", choice.name);
  return model;
}

}  // namespace tutti::trainer
