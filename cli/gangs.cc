#include "cli/gangs.h"

namespace tutti::cli {

Result<worker::Inventory> TakeLocalInventory(const SlotOptions& options) {
  return worker::TakeInventory(worker::ReadCpuLimits(),
                               {.slots = options.slots, .threads_per_slot = options.threads_per_slot.value_or(1)});
}

Result<void> CheckGangsFit(const spec::EnsembleSpec& spec, const worker::Inventory& inventory) {
  for (const spec::MemberSpec& member : spec.members) {
    if (member.slots.min <= inventory.slots) continue;
    return Fail(ErrorCode::kInvalid,
                "{} needs {} slots at once and this machine lends {}; ask for fewer in the experiment, or lend more "
                "with --slots",
                member.name, member.slots.min, inventory.slots);
  }
  return {};
}

}  // namespace tutti::cli
