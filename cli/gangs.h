// Whether an experiment can run on this machine.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "common/result.h"
#include "common/spec/ensemble_spec.h"
#include "worker/agent/device_choice.h"
#include "worker/agent/inventory.h"

namespace tutti::cli {

worker::DeviceChoice DeviceOf(const SlotOptions& options);

// Errors: those of worker::TakeLocalInventory. What its warning says is said on standard error.
Result<worker::Inventory> TakeLocalInventory(const SlotOptions& options);

// Where it lends far more threads than it has CPUs.
std::optional<std::string> WarningOf(const worker::Inventory& inventory);

// kInvalid, naming the first member that needs more slots at once than there are, or more memory on each: it would wait
// for ever.
Result<void> CheckGangsFit(const spec::EnsembleSpec& spec, const worker::Inventory& inventory);

// What one of several workers lends.
struct Lender {
  std::string launch_domain;  // those of one can share a gang
  int slots = 0;
  uint64_t slot_memory_bytes = 0;  // 0: unknown
};
// The same for what several lend together.
Result<void> CheckGangsFit(const spec::EnsembleSpec& spec, const std::vector<Lender>& lenders);

}  // namespace tutti::cli
