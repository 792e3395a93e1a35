#include "common/spec/descriptor.h"

#include <algorithm>
#include <array>

#include "common/spec/reader.h"
#include "common/spec/registries.h"

namespace tutti::spec {

const std::vector<Descriptor>& Descriptors(ChoiceKind kind) {
  static const std::array<std::vector<Descriptor>, 6> kDescriptors = {ModelDescriptors(),    OptimizerDescriptors(),
                                                                      ScheduleDescriptors(), AugmentationDescriptors(),
                                                                      CombinerDescriptors(), SourceDescriptors()};
  return kDescriptors.at(static_cast<size_t>(kind));
}

const Descriptor* FindDescriptor(ChoiceKind kind, std::string_view name) {
  const std::vector<Descriptor>& all = Descriptors(kind);
  const auto found = std::find_if(all.begin(), all.end(), [&](const Descriptor& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::vector<std::string> NamesOf(ChoiceKind kind) {
  std::vector<std::string> names;
  for (const Descriptor& descriptor : Descriptors(kind)) names.push_back(descriptor.name);
  return names;
}

std::string_view Name(ChoiceKind kind) {
  switch (kind) {
    case ChoiceKind::kModel:
      return "model";
    case ChoiceKind::kOptimizer:
      return "optimizer";
    case ChoiceKind::kSchedule:
      return "schedule";
    case ChoiceKind::kAugmentation:
      return "augmentation";
    case ChoiceKind::kCombiner:
      return "combiner";
    case ChoiceKind::kSource:
      return "source";
  }
  return "";
}

std::string_view DefaultNameOf(ChoiceKind kind) {
  switch (kind) {
    case ChoiceKind::kOptimizer:
      return "sgd";
    case ChoiceKind::kSchedule:
      return "constant";
    case ChoiceKind::kCombiner:
      return "mean";
    case ChoiceKind::kModel:
    case ChoiceKind::kAugmentation:
    case ChoiceKind::kSource:
      break;
  }
  return "";
}

Choice DefaultChoice(ChoiceKind kind, std::string_view name) {
  const Descriptor* descriptor = FindDescriptor(kind, name);
  TUTTI_CHECK(descriptor != nullptr);
  Choice choice{descriptor->name, Json::object()};
  for (const Parameter& parameter : descriptor->parameters) choice.parameters[parameter.name] = parameter.default_value;
  return choice;
}

Result<Choice> CompleteChoice(ChoiceKind kind, const Json& json) {
  Problems problems;
  const Node node = NodeFromJson(json, {});
  const std::string path(Name(kind));
  const std::optional<Choice> choice = kind == ChoiceKind::kAugmentation ? ReadAugmentation(node, path, problems)
                                                                         : ReadChoice(kind, node, path, problems);
  if (!choice || !problems.empty()) return Fail(ErrorCode::kInvalid, "{}", problems.Messages());
  return *choice;
}

Json ChoiceToJson(ChoiceKind kind, const Choice& choice) {
  if (kind == ChoiceKind::kAugmentation) return {{choice.name, choice.parameters}};
  Json json = {{"name", choice.name}};
  json.update(choice.parameters);
  return json;
}

}  // namespace tutti::spec
