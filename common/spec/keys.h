// Every key of an experiment but the parameters of choices (those are in descriptor.h): the one table from which the
// parser's known keys, the JSON Schema and the docs come.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/spec/value_type.h"

namespace tutti::spec {

// Few enough that every resolved experiment is an experiment file too (yaml.h).
inline constexpr int64_t kMostMembers = 1000;
inline constexpr int64_t kMostSlots = 4096;
inline constexpr int64_t kLargestImage = 8192;

struct Key {
  std::string path;  // "training.batch_size", "members[].seeds"
  ValueType type;
  std::string default_words;  // for the docs: "128", "required", "as `training`"
  Json default_value;         // what leaving it out means, where that can be written down; else null
  Json example;               // valid, and different from the default; null where only one value is allowed
  std::string sentence;
};

// In the order of the docs: sections before their keys.
const std::vector<Key>& Keys();

// Aborts when there is no such key.
const Key& KeyAt(std::string_view path);

// The last words of the keys directly in a section: "" is the top level, "members[]" an entry of the list.
std::vector<std::string> KeysIn(std::string_view section);

// Pairs of which at most one may be written: a later one replaces an earlier other one.
struct ExclusiveKeys {
  std::string_view section;
  std::string_view first;
  std::string_view second;
};
const std::vector<ExclusiveKeys>& ExclusivePairs();

}  // namespace tutti::spec
