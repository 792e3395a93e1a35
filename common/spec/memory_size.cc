#include "common/spec/memory_size.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

namespace tutti::spec {
namespace {

constexpr double kMostBytes = 9007199254740992.0;  // 2^53: JSON's numbers are exact up to here

struct Unit {
  std::string_view name;
  uint64_t bytes;
};
constexpr auto kUnits = std::to_array<Unit>({
    {"TB", 1'000'000'000'000},
    {"TiB", uint64_t{1} << 40},
    {"GB", 1'000'000'000},
    {"GiB", uint64_t{1} << 30},
    {"MB", 1'000'000},
    {"MiB", uint64_t{1} << 20},
    {"kB", 1'000},
    {"KiB", uint64_t{1} << 10},
    {"B", 1},
});

}  // namespace

std::optional<uint64_t> ParseMemory(std::string_view text) {
  double amount = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount, std::chars_format::fixed);
  if (error != std::errc() || end == text.data() + text.size() || *end != ' ') return std::nullopt;
  const std::string_view name(end + 1, static_cast<size_t>(text.data() + text.size() - end - 1));
  for (const Unit& unit : kUnits) {
    if (name != unit.name) continue;
    const double bytes = std::round(amount * static_cast<double>(unit.bytes));
    if (!(bytes >= 1 && bytes <= kMostBytes)) return std::nullopt;
    return static_cast<uint64_t>(bytes);
  }
  return std::nullopt;
}

std::string MemoryText(uint64_t bytes) {
  for (const Unit& unit : kUnits) {
    if (bytes >= unit.bytes && bytes % unit.bytes == 0) return fmt::format("{} {}", bytes / unit.bytes, unit.name);
  }
  return "0 B";
}

std::string RoundedMemoryText(uint64_t bytes) {
  for (const std::string_view name : {"TB", "GB", "MB"}) {
    for (const Unit& unit : kUnits) {
      if (unit.name != name || bytes < unit.bytes) continue;
      const uint64_t hundredths = bytes / (unit.bytes / 100);
      if (hundredths % 100 == 0) return fmt::format("{} {}", hundredths / 100, name);
      return fmt::format("{}.{:02} {}", hundredths / 100, hundredths % 100, name);
    }
  }
  return MemoryText(bytes);
}

}  // namespace tutti::spec
