#include "cli/gangs.h"

#include <algorithm>
#include <map>

#include "cli/console.h"
#include "common/spec/memory_size.h"

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

// The most slots that a member can have at once.
int WidestPlaceFor(const spec::MemberSpec& member, const std::vector<Lender>& lenders) {
  std::map<std::string, int> of_domain;
  int widest = 0;
  for (const Lender& lender : lenders) {
    const uint64_t offered = lender.slot_memory_bytes;
    if (offered > 0 && member.slot_memory_bytes.value_or(0) > offered) continue;
    int& slots = of_domain[lender.launch_domain];
    slots =
        member.slots.spread == spec::SlotsSpec::Spread::kAllowed ? slots + lender.slots : std::max(slots, lender.slots);
    widest = std::max(widest, slots);
  }
  return widest;
}

}  // namespace

std::optional<std::string> WarningOf(const worker::Inventory& inventory) {
  const int64_t threads = int64_t{inventory.slots} * inventory.threads_per_slot;
  if (threads <= int64_t{kMostThreadsOfACpu} * inventory.usable_cpus) return std::nullopt;
  return fmt::format("{} slots have {} threads, and this machine has {} {}: with so many trainers at once each is slow",
                     inventory.slots, threads, inventory.usable_cpus, inventory.usable_cpus == 1 ? "CPU" : "CPUs");
}

worker::DeviceChoice DeviceOf(const SlotOptions& options) {
  using enum worker::DeviceChoice;
  return options.device == "cpu" ? kCpu : options.device == "cuda" ? kCuda : kAuto;
}

Result<worker::Inventory> TakeLocalInventory(const SlotOptions& options) {
  auto inventory =
      worker::TakeLocalInventory({options.slots, options.threads_per_slot, options.slots_per_gpu}, DeviceOf(options));
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

Result<void> CheckGangsFit(const spec::EnsembleSpec& spec, const std::vector<Lender>& lenders) {
  for (const spec::MemberSpec& member : spec.members) {
    const int widest = WidestPlaceFor(member, lenders);
    if (member.slots.min <= widest) continue;
    const std::string with_memory =
        member.slot_memory_bytes ? fmt::format(" of {}", spec::MemoryText(*member.slot_memory_bytes)) : "";
    const bool spread = member.slots.spread == spec::SlotsSpec::Spread::kAllowed;
    return Fail(ErrorCode::kInvalid,
                "{} needs {} slots{} at once and {} at most {}; ask for fewer in the experiment, or start more ranks",
                member.name, member.slots.min, with_memory,
                spread ? "the workers that a launcher brings together lend" : "one worker lends", widest);
  }
  return {};
}

}  // namespace tutti::cli
