#include "coordinator/server/byte_range.h"

#include <algorithm>
#include <optional>

#include "common/whole_number.h"

namespace tutti::server {
namespace {

constexpr std::string_view kUnit = "bytes=";

AskedRange LastOf(uint64_t count, uint64_t size) {
  if (count == 0 || size == 0) return NoSuchRange{};
  return ByteRange{size - std::min(count, size), size - 1};
}

}  // namespace

AskedRange ParseRange(std::string_view header, uint64_t size) {
  if (!header.starts_with(kUnit)) return WholeFile{};
  const std::string_view range = header.substr(kUnit.size());
  const size_t dash = range.find('-');
  if (dash == std::string_view::npos) return WholeFile{};
  const auto first = ParseWholeNumber<uint64_t>(range.substr(0, dash));
  const auto last = ParseWholeNumber<uint64_t>(range.substr(dash + 1));
  if (dash == 0) return last ? LastOf(*last, size) : AskedRange(WholeFile{});
  const bool open = dash + 1 == range.size();
  if (!first || (!open && !last) || (last && *last < *first)) return WholeFile{};
  if (*first >= size) return NoSuchRange{};
  return ByteRange{*first, std::min(last.value_or(size - 1), size - 1)};
}

}  // namespace tutti::server
