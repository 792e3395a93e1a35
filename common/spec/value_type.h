// What a value may be: the one description from which checks, JSON Schema and the docs' words come.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/json.h"
#include "common/spec/diagnostic.h"
#include "common/spec/tree.h"

namespace tutti::spec {

// The registries of named choices (descriptor.h).
enum class ChoiceKind { kModel, kOptimizer, kSchedule, kAugmentation, kCombiner, kSource };

struct Bound {
  enum class Side { kInclusive, kExclusive };
  double value = 0;
  Side side = Side::kInclusive;
};

struct IntegerType {
  int64_t minimum = 0;
  int64_t maximum = std::numeric_limits<int64_t>::max();
};
struct NumberType {  // finite
  std::optional<Bound> lower;
  std::optional<Bound> upper;
};
struct SwitchType {};  // true or false
struct EnumType {
  std::vector<std::string> names;
};
struct IntegerListType {
  IntegerType item;
  size_t maximum_items = 0;
};
// A map with keys of its own, a choice, a list of either.
struct SectionType {};
struct ChoiceType {
  ChoiceKind kind = ChoiceKind::kModel;
};
struct ChoiceListType {
  ChoiceKind kind = ChoiceKind::kAugmentation;
};
struct SectionListType {};
// Read by code of its own, which `words` and `schema` describe.
struct SpecialType {
  std::string words;
  Json schema;
};

using ValueType = std::variant<IntegerType, NumberType, SwitchType, EnumType, IntegerListType, SectionType, ChoiceType,
                               ChoiceListType, SectionListType, SpecialType>;

NumberType AtLeast(double minimum);
NumberType Above(double minimum);
NumberType FromToBelow(double minimum, double maximum);  // [minimum, maximum)

// "a whole number, 1 or more"
std::string DescribeType(const ValueType& type);
// JSON Schema (2020-12) of a value; choices and sections are references into "$defs" (schema.h).
Json SchemaOf(const ValueType& type);

// Reads one of the first five types: integers as JSON integers, numbers as doubles. Adds "PATH is X; allowed: Y" to
// `problems` and returns nothing where it is not one.
std::optional<Json> ReadValue(const ValueType& type, const Node& node, const std::string& path, Problems& problems);

// Adds "PATH is X; allowed: ALLOWED".
void RefuseValue(const Node& node, const std::string& path, const std::string& allowed, Problems& problems);

}  // namespace tutti::spec
