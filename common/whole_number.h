// Whole numbers that are not negative, as they stand in names, ids and queries.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace tutti {

// Digits alone, no sign; nothing where there are none, where anything else stands, or where Number cannot hold it.
template <typename Number>
std::optional<Number> ParseWholeNumber(std::string_view digits) {
  if (digits.starts_with('-')) return {};
  Number number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return {};
  return number;
}

// The number in a name that is given in turn (attempt-3, small-7, catalog/0012), which is followed by the next one.
// What is beyond was made by somebody else.
inline std::optional<int> ParseGivenNumber(std::string_view digits) {
  constexpr int kMost = 1'000'000'000;
  const auto number = ParseWholeNumber<int>(digits);
  return number && *number <= kMost ? number : std::nullopt;
}

struct NumberedName {
  std::string name;
  int number = 0;
};

// An ensemble's id: "fashion-mnist-3" is the third of "fashion-mnist".
inline std::optional<NumberedName> SplitId(std::string_view id) {
  const size_t dash = id.rfind('-');
  if (dash == std::string_view::npos) return {};
  const auto number = ParseGivenNumber(id.substr(dash + 1));
  if (!number) return {};
  return NumberedName{std::string(id.substr(0, dash)), *number};
}

}  // namespace tutti
