// Small experiments for tests of the core.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/spec/ensemble_spec.h"

namespace tutti::core {

struct MemberSketch {
  std::string name;
  int minimum_slots = 1;
  int maximum_slots = 0;  // 0: as the minimum
  int keep = 2;
  spec::SlotsSpec::Spread spread = spec::SlotsSpec::Spread::kAllowed;
  std::optional<uint64_t> slot_memory_bytes = {};
};

// A resolved experiment that survives its own JSON.
spec::EnsembleSpec ExperimentOf(const std::vector<MemberSketch>& members,
                                std::optional<int> minimum_members = std::nullopt);

}  // namespace tutti::core
