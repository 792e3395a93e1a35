#include "cli/gangs.h"

#include "common/spec/memory_size.h"
#include "worker/agent/device_choice.h"

namespace tutti::cli {
namespace {

Result<void> CheckMemory(const spec::MemberSpec& member, const worker::Inventory& inventory) {
  const uint64_t offered = inventory.slot_memory_bytes;
  if (offered == 0 || member.slot_memory_bytes.value_or(0) <= offered) return {};
  return Fail(ErrorCode::kInvalid,
              "{} needs slots of {} and those of this machine have {}; ask for less in the experiment, or lend fewer "
              "slots with --slots{}",
              member.name, spec::MemoryText(*member.slot_memory_bytes), spec::RoundedMemoryText(offered),
              inventory.gpus.empty() ? "" : "-per-gpu");
}

}  // namespace

Result<worker::Inventory> TakeLocalInventory(const SlotOptions& options) {
  using enum worker::DeviceChoice;
  const auto choice = options.device == "cpu" ? kCpu : options.device == "cuda" ? kCuda : kAuto;
  return worker::TakeLocalInventory({options.slots, options.threads_per_slot, options.slots_per_gpu}, choice);
}

Result<void> CheckGangsFit(const spec::EnsembleSpec& spec, const worker::Inventory& inventory) {
  for (const spec::MemberSpec& member : spec.members) {
    TUTTI_RETURN_IF_ERROR(CheckMemory(member, inventory));
    if (member.slots.min <= inventory.slots) continue;
    return Fail(ErrorCode::kInvalid,
                "{} needs {} slots at once and this machine lends {}; ask for fewer in the experiment, or lend more "
                "with --slots",
                member.name, member.slots.min, inventory.slots);
  }
  return {};
}

}  // namespace tutti::cli
