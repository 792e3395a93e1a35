#include "cli/gangs.h"

#include "cli/console.h"
#include "common/spec/memory_size.h"
#include "worker/agent/device_choice.h"

namespace tutti::cli {
namespace {

// A few more slots than CPUs may be meant; many more are a slip of the finger.
constexpr int kMostThreadsOfACpu = 4;

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

std::optional<std::string> WarningOf(const worker::Inventory& inventory) {
  const int64_t threads = int64_t{inventory.slots} * inventory.threads_per_slot;
  if (threads <= int64_t{kMostThreadsOfACpu} * inventory.usable_cpus) return std::nullopt;
  return fmt::format("{} slots have {} threads, and this machine has {} {}: with so many trainers at once each is slow",
                     inventory.slots, threads, inventory.usable_cpus, inventory.usable_cpus == 1 ? "CPU" : "CPUs");
}

Result<worker::Inventory> TakeLocalInventory(const SlotOptions& options) {
  using enum worker::DeviceChoice;
  const auto choice = options.device == "cpu" ? kCpu : options.device == "cuda" ? kCuda : kAuto;
  auto inventory = worker::TakeLocalInventory({options.slots, options.threads_per_slot, options.slots_per_gpu}, choice);
  if (inventory) {
    if (const auto warning = WarningOf(*inventory)) PrintToError(fmt::format("tutti: {}\n", *warning));
  }
  return inventory;
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
