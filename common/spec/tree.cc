#include "common/spec/tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "common/utf8.h"

namespace tutti::spec {
namespace {

constexpr size_t kLongestQuote = 60;

// The text without a leading plus, which from_chars does not know.
std::string_view WithoutPlus(std::string_view text) {
  const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-' && text[1] != '+';
  return plus ? text.substr(1) : text;
}

template <typename Number>
std::optional<Number> ParseWhole(std::string_view text) {
  const std::string_view digits = WithoutPlus(text);
  Number number{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

// At most kLongestQuote bytes, never cut inside a UTF-8 character.
std::string Shortened(const std::string& text) {
  if (text.size() <= kLongestQuote) return text;
  size_t end = kLongestQuote;
  while (end > 0 && IsContinuationByte(text[end])) --end;
  return text.substr(0, end) + "…";
}

}  // namespace

const Entry* Node::Find(std::string_view key) const {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

Entry* Node::Find(std::string_view key) { return const_cast<Entry*>(std::as_const(*this).Find(key)); }

const Node* Node::Get(std::string_view key) const {
  const Entry* entry = Find(key);
  return entry == nullptr ? nullptr : &entry->value;
}

Node MapAt(Position position) {
  Node node;
  node.kind = Node::Kind::kMap;
  node.position = position;
  return node;
}

Node TextAt(std::string text, Position position) {
  Node node;
  node.kind = Node::Kind::kScalar;
  node.position = position;
  node.scalar = std::move(text);
  node.style = Node::Style::kQuoted;
  return node;
}

Node NodeFromJson(const Json& json, Position position) {
  Node node;
  node.position = position;
  if (json.is_object()) {
    node.kind = Node::Kind::kMap;
    for (const auto& [key, value] : json.items()) {
      node.entries.push_back({key, position, NodeFromJson(value, position)});
    }
  } else if (json.is_array()) {
    node.kind = Node::Kind::kList;
    for (const Json& item : json) node.items.push_back(NodeFromJson(item, position));
  } else if (json.is_string()) {
    node = TextAt(json.get<std::string>(), position);
  } else if (!json.is_null()) {
    node.kind = Node::Kind::kScalar;
    node.scalar = json.dump();
  }
  return node;
}

std::optional<int64_t> AsInteger(const Node& node) {
  if (!node.IsScalar() || node.style == Node::Style::kQuoted) return std::nullopt;
  return ParseWhole<int64_t>(node.scalar);
}

std::optional<double> AsNumber(const Node& node) {
  if (!node.IsScalar() || node.style == Node::Style::kQuoted) return std::nullopt;
  const std::optional<double> number = ParseWhole<double>(node.scalar);
  return number && std::isfinite(*number) ? number : std::nullopt;
}

std::string DescribeFound(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "empty";
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      return "a map";
    case Node::Kind::kScalar:
      break;
  }
  const std::string shown = Shortened(node.scalar);
  return node.style == Node::Style::kQuoted ? fmt::format("the text \"{}\"", shown) : fmt::format("'{}'", shown);
}

}  // namespace tutti::spec
