#include "worker/trainer/data/sources.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "worker/trainer/data/idx.h"

namespace tutti::trainer {
namespace {

constexpr std::array kSources = {
    Source{"idx", FindIdxFiles, DecodeIdxFiles},
};

}  // namespace

Result<Source> FindSource(std::string_view name) {
  const auto found = std::find_if(kSources.begin(), kSources.end(), [&](const Source& s) { return s.name == name; });
  if (found != kSources.end()) return *found;
  std::vector<std::string_view> names;
  for (const Source& source : kSources) names.push_back(source.name);
  return Fail(ErrorCode::kInvalid, "data.source: '{}' is unknown; use {}", name, fmt::join(names, ", "));
}

}  // namespace tutti::trainer
