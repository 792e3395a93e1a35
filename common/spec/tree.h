// A YAML or JSON document as a tree that knows where each value was written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/spec/diagnostic.h"

namespace tutti::spec {

struct Entry;

struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };
  enum class Style { kPlain, kQuoted };  // a quoted scalar is text, whatever it looks like

  Kind kind = Kind::kNull;
  Position position;
  std::string scalar;
  Style style = Style::kPlain;
  std::vector<Node> items;
  std::vector<Entry> entries;  // keys are unique, in the order written

  bool IsNull() const { return kind == Kind::kNull; }
  bool IsScalar() const { return kind == Kind::kScalar; }
  bool IsList() const { return kind == Kind::kList; }
  bool IsMap() const { return kind == Kind::kMap; }

  const Entry* Find(std::string_view key) const;
  Entry* Find(std::string_view key);
  const Node* Get(std::string_view key) const;  // null when there is no such key
};

struct Entry {
  std::string key;
  Position key_position;
  Node value;
};

Node MapAt(Position position);
Node TextAt(std::string text, Position position);

// Every value at `position`; strings are quoted scalars.
Node NodeFromJson(const Json& json, Position position);

// A plain scalar that is one, in full. Numbers are finite.
std::optional<int64_t> AsInteger(const Node& node);
std::optional<double> AsNumber(const Node& node);

// "'abc'", "the text \"10\"", "a map", "a list", "empty"
std::string DescribeFound(const Node& node);

}  // namespace tutti::spec
