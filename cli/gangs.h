// Whether an experiment can run on this machine.
#pragma once

#include <optional>
#include <string>

#include "cli/command_line.h"
#include "common/result.h"
#include "common/spec/ensemble_spec.h"
#include "worker/agent/inventory.h"

namespace tutti::cli {

// Errors: those of worker::TakeLocalInventory. What its warning says is said on standard error.
Result<worker::Inventory> TakeLocalInventory(const SlotOptions& options);

// Where it lends far more threads than it has CPUs.
std::optional<std::string> WarningOf(const worker::Inventory& inventory);

// kInvalid, naming the first member that needs more slots at once than there are, or more memory on each: it would wait
// for ever.
Result<void> CheckGangsFit(const spec::EnsembleSpec& spec, const worker::Inventory& inventory);

}  // namespace tutti::cli
