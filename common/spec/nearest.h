// The nearest of some names to one that was mistyped.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tutti::spec {

// How many insertions, deletions, changes and swaps of neighbours turn one into the other (the restricted
// Damerau-Levenshtein distance).
size_t EditDistance(std::string_view first, std::string_view second);

// The name that is near enough to be meant: at most a third of the shorter one's letters differ, one at least may.
std::optional<std::string> Nearest(std::string_view mistyped, std::span<const std::string> names);

// " (did you mean 'epochs'?)", or nothing.
std::string Suggestion(std::string_view mistyped, std::span<const std::string> names);

}  // namespace tutti::spec
