#include "common/spec/reference.h"

#include <fmt/format.h>

#include <array>
#include <utility>
#include <variant>

#include "common/spec/descriptor.h"
#include "common/spec/keys.h"

namespace tutti::spec {
namespace {

constexpr std::array kKinds = {ChoiceKind::kModel,        ChoiceKind::kOptimizer, ChoiceKind::kSchedule,
                               ChoiceKind::kAugmentation, ChoiceKind::kCombiner,  ChoiceKind::kSource};

// ---- schema ----

Json Object(Json properties) {
  return {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
}

Json ParameterSchemas(const Descriptor& descriptor) {
  Json properties = Json::object();
  for (const Parameter& parameter : descriptor.parameters) {
    Json schema = SchemaOf(parameter.type);
    schema["default"] = parameter.default_value;
    schema["description"] = parameter.sentence;
    properties[parameter.name] = std::move(schema);
  }
  return properties;
}

Json NamesSchema(ChoiceKind kind) { return {{"enum", NamesOf(kind)}}; }

// A member may give parameters without the name, which stands in the defaults.
Json NamedSchema(ChoiceKind kind, const Descriptor& descriptor) {
  Json properties = {{"name", {{"const", descriptor.name}, {"description", descriptor.sentence}}}};
  properties.update(ParameterSchemas(descriptor));
  if (kind == ChoiceKind::kModel) {
    const Key& weights = KeyAt("members[].model.weights");
    properties["weights"] = SchemaOf(weights.type);
    properties["weights"]["description"] = weights.sentence;
  }
  Json schema = Object(std::move(properties));
  if (DefaultNameOf(kind).empty()) schema["required"] = Json::array({"name"});
  return schema;
}

Json AugmentationSchema(const Descriptor& descriptor) {
  Json values = Json::array({Object(ParameterSchemas(descriptor)), Json{{"type", "null"}}});
  for (const Parameter& parameter : descriptor.parameters) {
    if (parameter.name == descriptor.scalar_parameter) values.push_back(SchemaOf(parameter.type));
  }
  Json properties = Json::object();
  properties[descriptor.name] = {{"anyOf", std::move(values)}, {"description", descriptor.sentence}};
  Json schema = Object(std::move(properties));
  schema["required"] = Json::array({descriptor.name});
  return schema;
}

Json ChoiceSchema(ChoiceKind kind) {
  Json any = Json::array({NamesSchema(kind)});
  for (const Descriptor& descriptor : Descriptors(kind)) {
    any.push_back(kind == ChoiceKind::kAugmentation ? AugmentationSchema(descriptor) : NamedSchema(kind, descriptor));
  }
  return {{"anyOf", std::move(any)}};
}

Json SectionSchema(std::string_view section);

// Sections that a member overrides are the same ones, defined once.
bool IsShared(std::string_view word) { return word == "prepare" || word == "training"; }

Json KeySchema(const Key& key, const std::string& word) {
  if (std::holds_alternative<SectionType>(key.type)) {
    return IsShared(word) ? Json{{"$ref", "#/$defs/" + word}} : SectionSchema(key.path);
  }
  Json schema = SchemaOf(key.type);
  if (key.path == "members") schema["items"] = SectionSchema("members[]");
  if (!key.default_value.is_null()) schema["default"] = key.default_value;
  return schema;
}

Json SectionSchema(std::string_view section) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const std::string& word : KeysIn(section)) {
    const Key& key = KeyAt(section.empty() ? word : fmt::format("{}.{}", section, word));
    Json schema = KeySchema(key, word);
    schema["description"] = key.sentence;
    properties[word] = std::move(schema);
    if (key.default_words == "required") required.push_back(word);
  }
  Json schema = Object(std::move(properties));
  // A section whose keys all have defaults may be empty: `training:`.
  if (required.empty()) schema["type"] = Json::array({"object", "null"});
  if (!required.empty()) schema["required"] = std::move(required);
  for (const ExclusiveKeys& pair : ExclusivePairs()) {
    if (pair.section == section) schema["not"] = {{"required", Json::array({pair.first, pair.second})}};
  }
  return schema;
}

// ---- docs ----

std::string Cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') cell += '\\';
    cell += c;
  }
  return cell;
}

std::string Row(std::string_view first, std::string_view second, std::string_view third, std::string_view fourth) {
  return fmt::format("| {} | {} | {} | {} |\n", Cell(first), Cell(second), Cell(third), Cell(fourth));
}

std::string TableHead(std::string_view first) {
  return fmt::format("| {} | allowed | default | what it does |\n| --- | --- | --- | --- |\n", first);
}

std::string Code(std::string_view text) { return text.empty() ? "" : fmt::format("`{}`", text); }

std::string DefaultCell(const Key& key) {
  const bool is_value = !key.default_value.is_null();
  return is_value ? Code(key.default_words) : key.default_words;
}

std::string ParameterRows(ChoiceKind kind, const Descriptor& descriptor) {
  std::string rows = Row(fmt::format("**{}**", descriptor.name), "", "", descriptor.sentence);
  for (const Parameter& parameter : descriptor.parameters) {
    const bool is_short = kind == ChoiceKind::kAugmentation && parameter.name == descriptor.scalar_parameter;
    const std::string hint = is_short ? fmt::format(" Short: `{{{}: VALUE}}`.", descriptor.name) : std::string();
    const Json& value = parameter.default_value;
    rows += Row(Code(parameter.name), DescribeType(parameter.type),
                Code(value.is_string() ? value.get<std::string>() : value.dump()), parameter.sentence + hint);
  }
  return rows;
}

std::string Heading(ChoiceKind kind) {
  switch (kind) {
    case ChoiceKind::kModel:
      return "Models";
    case ChoiceKind::kOptimizer:
      return "Optimizers";
    case ChoiceKind::kSchedule:
      return "Schedules";
    case ChoiceKind::kAugmentation:
      return "Augmentations";
    case ChoiceKind::kCombiner:
      return "Combiners";
    case ChoiceKind::kSource:
      return "Data sources";
  }
  return "";
}

}  // namespace

Json ExperimentSchema() {
  Json definitions = Json::object();
  for (const ChoiceKind kind : kKinds) definitions[std::string(Name(kind))] = ChoiceSchema(kind);
  definitions["prepare"] = SectionSchema("prepare");
  definitions["training"] = SectionSchema("training");
  Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "A Tutti experiment"}};
  schema.update(SectionSchema(""));
  schema["$defs"] = std::move(definitions);
  return schema;
}

std::string KeysTable() {
  std::string table = TableHead("key");
  for (const Key& key : Keys()) {
    table += Row(Code(key.path), DescribeType(key.type), DefaultCell(key), key.sentence);
  }
  return table;
}

std::string ChoicesTables() {
  std::string tables;
  for (const ChoiceKind kind : kKinds) {
    tables += fmt::format("{}### {}\n\n{}", tables.empty() ? "" : "\n", Heading(kind), TableHead("name, parameters"));
    for (const Descriptor& descriptor : Descriptors(kind)) tables += ParameterRows(kind, descriptor);
  }
  return tables;
}

Result<std::string> ReplaceGenerated(std::string_view page, std::string_view name, std::string_view text) {
  const std::string begin_line = fmt::format("<!-- {}: generated -->\n", name);
  const std::string end_line = fmt::format("<!-- {}: end -->", name);
  const size_t begin = page.find(begin_line);
  const size_t end = page.find(end_line);
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) {
    return Fail(ErrorCode::kNotFound, "no place for the generated text '{}'; write the lines '{}' and '{}'", name,
                begin_line.substr(0, begin_line.size() - 1), end_line);
  }
  return fmt::format("{}\n{}\n{}", page.substr(0, begin + begin_line.size()), text, page.substr(end));
}

}  // namespace tutti::spec
