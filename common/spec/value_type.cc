#include "common/spec/value_type.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "common/spec/descriptor.h"
#include "common/spec/nearest.h"

namespace tutti::spec {
namespace {

constexpr int64_t kNoMaximum = std::numeric_limits<int64_t>::max();

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

std::string DescribeInteger(const IntegerType& type) {
  if (type.maximum == kNoMaximum) return fmt::format("a whole number, {} or more", type.minimum);
  return fmt::format("a whole number from {} to {}", type.minimum, type.maximum);
}

std::string DescribeNumber(const NumberType& type) {
  if (!type.lower) return "a number";
  const bool above = type.lower->side == Bound::Side::kExclusive;
  if (!type.upper) {
    return above ? fmt::format("a number above {}", type.lower->value)
                 : fmt::format("a number, {} or more", type.lower->value);
  }
  const bool below = type.upper->side == Bound::Side::kExclusive;
  return fmt::format("a number {} {} {} {}", above ? "above" : "from", type.lower->value,
                     above ? (below ? "and below" : "up to") : (below ? "to below" : "to"), type.upper->value);
}

Json SchemaOfInteger(const IntegerType& type) {
  Json schema = {{"type", "integer"}, {"minimum", type.minimum}};
  if (type.maximum != kNoMaximum) schema["maximum"] = type.maximum;
  return schema;
}

Json SchemaOfNumber(const NumberType& type) {
  Json schema = {{"type", "number"}};
  const auto exclusive = [](const Bound& bound) { return bound.side == Bound::Side::kExclusive; };
  if (type.lower) schema[exclusive(*type.lower) ? "exclusiveMinimum" : "minimum"] = type.lower->value;
  if (type.upper) schema[exclusive(*type.upper) ? "exclusiveMaximum" : "maximum"] = type.upper->value;
  return schema;
}

Json Reference(ChoiceKind kind) { return {{"$ref", fmt::format("#/$defs/{}", Name(kind))}}; }

bool Within(const NumberType& type, double value) {
  using Side = Bound::Side;
  if (type.lower && (value < type.lower->value || (value == type.lower->value && type.lower->side == Side::kExclusive)))
    return false;
  return !type.upper || value < type.upper->value ||
         (value == type.upper->value && type.upper->side == Side::kInclusive);
}

std::optional<Json> ReadInteger(const IntegerType& type, const Node& node) {
  const std::optional<int64_t> value = AsInteger(node);
  if (!value || *value < type.minimum || *value > type.maximum) return std::nullopt;
  return Json(*value);
}

std::optional<Json> ReadNumber(const NumberType& type, const Node& node) {
  const std::optional<double> value = AsNumber(node);
  if (!value || !Within(type, *value)) return std::nullopt;
  return Json(*value);
}

std::optional<Json> ReadSwitch(const Node& node) {
  if (!node.IsScalar() || node.style == Node::Style::kQuoted) return std::nullopt;
  for (const std::string_view word : {"true", "True", "TRUE"}) {
    if (node.scalar == word) return Json(true);
  }
  for (const std::string_view word : {"false", "False", "FALSE"}) {
    if (node.scalar == word) return Json(false);
  }
  return std::nullopt;
}

std::optional<Json> ReadEnum(const EnumType& type, const Node& node) {
  const bool known =
      node.IsScalar() && std::find(type.names.begin(), type.names.end(), node.scalar) != type.names.end();
  return known ? std::optional<Json>(node.scalar) : std::nullopt;
}

std::optional<Json> ReadIntegerList(const IntegerListType& type, const Node& node, const std::string& path,
                                    Problems& problems) {
  if (!node.IsList() || node.items.size() > type.maximum_items) {
    RefuseValue(node, path, DescribeType(type), problems);
    return std::nullopt;
  }
  Json list = Json::array();
  for (size_t i = 0; i < node.items.size(); ++i) {
    const auto item = ReadValue(type.item, node.items[i], fmt::format("{}[{}]", path, i), problems);
    if (item) list.push_back(*item);
  }
  return list.size() == node.items.size() ? std::optional<Json>(list) : std::nullopt;
}

}  // namespace

NumberType AtLeast(double minimum) { return {Bound{minimum, Bound::Side::kInclusive}, std::nullopt}; }
NumberType Above(double minimum) { return {Bound{minimum, Bound::Side::kExclusive}, std::nullopt}; }
NumberType FromToBelow(double minimum, double maximum) {
  return {Bound{minimum, Bound::Side::kInclusive}, Bound{maximum, Bound::Side::kExclusive}};
}

std::string DescribeType(const ValueType& type) {
  return std::visit(
      Overloaded{
          [](const IntegerType& integer) { return DescribeInteger(integer); },
          [](const NumberType& number) { return DescribeNumber(number); },
          [](const SwitchType&) { return std::string("true or false"); },
          [](const EnumType& names) { return fmt::format("{}", fmt::join(names.names, ", ")); },
          [](const IntegerListType& list) {
            return fmt::format("a list of at most {}, each {}", list.maximum_items, DescribeInteger(list.item));
          },
          [](const SectionType&) { return std::string("a map"); },
          [](const ChoiceType& choice) {
            return fmt::format("{} {}", choice.kind == ChoiceKind::kOptimizer ? "an" : "a", Name(choice.kind));
          },
          [](const ChoiceListType& list) { return fmt::format("a list of {}s", Name(list.kind)); },
          [](const SectionListType&) { return std::string("a list of maps"); },
          [](const SpecialType& special) { return special.words; },
      },
      type);
}

Json SchemaOf(const ValueType& type) {
  return std::visit(
      Overloaded{
          [](const IntegerType& integer) { return SchemaOfInteger(integer); },
          [](const NumberType& number) { return SchemaOfNumber(number); },
          [](const SwitchType&) {
            return Json({{"type", "boolean"}});
          },
          [](const EnumType& names) {
            return Json({{"enum", names.names}});
          },
          [](const IntegerListType& list) {
            return Json({{"type", "array"}, {"items", SchemaOfInteger(list.item)}, {"maxItems", list.maximum_items}});
          },
          [](const SectionType&) {
            return Json({{"type", Json::array({"object", "null"})}});
          },
          [](const ChoiceType& choice) { return Reference(choice.kind); },
          [](const ChoiceListType& list) {
            return Json({{"type", Json::array({"array", "null"})}, {"items", Reference(list.kind)}});
          },
          [](const SectionListType&) {
            return Json({{"type", "array"}, {"minItems", 1}});
          },
          [](const SpecialType& special) { return special.schema; },
      },
      type);
}

void RefuseValue(const Node& node, const std::string& path, const std::string& allowed, Problems& problems) {
  problems.Add(node.position, fmt::format("{} is {}; allowed: {}", path, DescribeFound(node), allowed));
}

std::optional<Json> ReadValue(const ValueType& type, const Node& node, const std::string& path, Problems& problems) {
  if (const auto* list = std::get_if<IntegerListType>(&type)) return ReadIntegerList(*list, node, path, problems);
  std::optional<Json> value;
  std::string suggestion;
  if (const auto* integer = std::get_if<IntegerType>(&type)) value = ReadInteger(*integer, node);
  if (const auto* number = std::get_if<NumberType>(&type)) value = ReadNumber(*number, node);
  if (std::holds_alternative<SwitchType>(type)) value = ReadSwitch(node);
  if (const auto* names = std::get_if<EnumType>(&type)) {
    value = ReadEnum(*names, node);
    if (!value && node.IsScalar()) suggestion = Suggestion(node.scalar, names->names);
  }
  if (!value) {
    problems.Add(node.position,
                 fmt::format("{} is {}{}; allowed: {}", path, DescribeFound(node), suggestion, DescribeType(type)));
  }
  return value;
}

}  // namespace tutti::spec
