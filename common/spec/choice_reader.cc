#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "common/spec/descriptor.h"
#include "common/spec/nearest.h"
#include "common/spec/reader.h"

namespace tutti::spec {
namespace {

std::string AllowedNames(ChoiceKind kind) { return fmt::format("{}", fmt::join(NamesOf(kind), ", ")); }

const Descriptor* FindOrRefuse(ChoiceKind kind, const std::string& name, Position position, Problems& problems) {
  const Descriptor* descriptor = FindDescriptor(kind, name);
  if (descriptor == nullptr) {
    problems.Add(position, fmt::format("unknown {} '{}'{}; allowed: {}", Name(kind), name,
                                       Suggestion(name, NamesOf(kind)), AllowedNames(kind)));
  }
  return descriptor;
}

// Keys beside the parameters: the name, and of a model the weights that it begins with.
std::vector<std::string> KeysBeside(ChoiceKind kind) {
  if (kind == ChoiceKind::kModel) return {"name", "weights"};
  return kind == ChoiceKind::kAugmentation ? std::vector<std::string>() : std::vector<std::string>{"name"};
}

void RefuseUnknownParameter(const Descriptor& descriptor, ChoiceKind kind, const Entry& entry, const std::string& path,
                            Problems& problems) {
  std::vector<std::string> names;
  for (const Parameter& parameter : descriptor.parameters) names.push_back(parameter.name);
  if (kind == ChoiceKind::kModel) names.emplace_back("weights");
  const std::string allowed =
      names.empty() ? std::string("none, it has no parameters") : fmt::format("{}", fmt::join(names, ", "));
  problems.Add(entry.key_position, fmt::format("unknown parameter '{}' of {} in {}{}; allowed: {}", entry.key,
                                               descriptor.name, path, Suggestion(entry.key, names), allowed));
}

const Parameter* FindParameter(const Descriptor& descriptor, std::string_view name) {
  const auto& all = descriptor.parameters;
  const auto found = std::find_if(all.begin(), all.end(), [&](const Parameter& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

// The parameters among `entries`, the rest by default.
std::optional<Choice> ReadParameters(const Descriptor& descriptor, ChoiceKind kind, const Node& map,
                                     const std::string& path, Problems& problems) {
  const std::vector<std::string> beside = KeysBeside(kind);
  Choice choice{descriptor.name, Json::object()};
  for (const Parameter& parameter : descriptor.parameters) choice.parameters[parameter.name] = parameter.default_value;
  bool whole = true;
  for (const Entry& entry : map.entries) {
    if (std::find(beside.begin(), beside.end(), entry.key) != beside.end()) continue;
    const Parameter* parameter = FindParameter(descriptor, entry.key);
    if (parameter == nullptr) {
      RefuseUnknownParameter(descriptor, kind, entry, path, problems);
      whole = false;
      continue;
    }
    const auto value = ReadValue(parameter->type, entry.value, fmt::format("{}.{}", path, entry.key), problems);
    if (value) choice.parameters[parameter->name] = *value;
    whole = whole && value;
  }
  if (!whole) return std::nullopt;
  const std::optional<std::string> clash = descriptor.check ? descriptor.check(choice.parameters) : std::nullopt;
  if (!clash) return choice;
  problems.Add(map.position, fmt::format("{}.{}", path, *clash));
  return std::nullopt;
}

// The word under `name`, or the kind's own when none is written.
std::optional<std::string> NameIn(ChoiceKind kind, const Node& map, const std::string& path, Problems& problems) {
  const Entry* name = map.Find("name");
  if (name != nullptr && name->value.IsScalar()) return name->value.scalar;
  if (name != nullptr) {
    RefuseValue(name->value, path + ".name", AllowedNames(kind), problems);
    return std::nullopt;
  }
  if (!DefaultNameOf(kind).empty()) return std::string(DefaultNameOf(kind));
  problems.Add(map.position, fmt::format("{}.name is missing; allowed: {}", path, AllowedNames(kind)));
  return std::nullopt;
}

std::optional<Choice> ReadAugmentationMap(const Node& node, const std::string& path, Problems& problems) {
  if (node.entries.size() != 1) {
    problems.Add(node.position, fmt::format("{} has {} keys; allowed: one name with its parameters, as in {{crop: "
                                            "{{padding: 2}}}}",
                                            path, node.entries.size()));
    return std::nullopt;
  }
  const Entry& entry = node.entries.front();
  const Descriptor* descriptor = FindOrRefuse(ChoiceKind::kAugmentation, entry.key, entry.key_position, problems);
  if (descriptor == nullptr) return std::nullopt;
  const std::string inner = fmt::format("{}.{}", path, entry.key);
  if (entry.value.IsMap()) {
    return ReadParameters(*descriptor, ChoiceKind::kAugmentation, entry.value, inner, problems);
  }
  if (entry.value.IsNull()) return DefaultChoice(ChoiceKind::kAugmentation, entry.key);
  if (descriptor->scalar_parameter.empty()) {
    RefuseValue(entry.value, inner, "a map of parameters", problems);
    return std::nullopt;
  }
  Node map = MapAt(entry.value.position);
  map.entries.push_back({descriptor->scalar_parameter, entry.key_position, entry.value});
  return ReadParameters(*descriptor, ChoiceKind::kAugmentation, map, inner, problems);
}

}  // namespace

std::optional<Choice> ReadChoice(ChoiceKind kind, const Node& node, const std::string& path, Problems& problems) {
  if (!node.IsScalar() && !node.IsMap()) {
    RefuseValue(node, path, fmt::format("{}; or a map of a name and parameters", AllowedNames(kind)), problems);
    return std::nullopt;
  }
  const std::optional<std::string> name = node.IsMap() ? NameIn(kind, node, path, problems) : node.scalar;
  if (!name) return std::nullopt;
  const Entry* written = node.Find("name");
  const Position position = written != nullptr ? written->value.position : node.position;
  const Descriptor* descriptor = FindOrRefuse(kind, *name, position, problems);
  return descriptor == nullptr ? std::nullopt : ReadParameters(*descriptor, kind, node, path, problems);
}

std::optional<Choice> ReadAugmentation(const Node& node, const std::string& path, Problems& problems) {
  if (node.IsMap()) return ReadAugmentationMap(node, path, problems);
  if (!node.IsScalar()) {
    RefuseValue(node, path,
                fmt::format("{}; or a map of one of them to its parameters", AllowedNames(ChoiceKind::kAugmentation)),
                problems);
    return std::nullopt;
  }
  const Descriptor* descriptor = FindOrRefuse(ChoiceKind::kAugmentation, node.scalar, node.position, problems);
  if (descriptor == nullptr) return std::nullopt;
  return DefaultChoice(ChoiceKind::kAugmentation, node.scalar);
}

}  // namespace tutti::spec
