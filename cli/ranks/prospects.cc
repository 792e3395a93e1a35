#include "cli/ranks/prospects.h"

#include <algorithm>
#include <map>

namespace tutti::cli {
namespace {

constexpr auto kSettled = std::chrono::seconds(10);
// Who has not come by then has died before.
constexpr auto kAllCome = std::chrono::seconds(90);

int SlotsOf(const std::vector<WorkerDocument>& workers) {
  int slots = 0;
  for (const WorkerDocument& worker : workers) slots += worker.slots;
  return slots;
}

int SlotsOf(const std::vector<Lender>& lenders) {
  int slots = 0;
  for (const Lender& lender : lenders) slots += lender.slots;
  return slots;
}

bool AreOneDomain(const std::vector<Lender>& lenders) {
  return std::ranges::all_of(
      lenders, [&](const Lender& lender) { return lender.launch_domain == lenders.front().launch_domain; });
}

}  // namespace

std::optional<Error> Prospects::Look(const EnsembleDocument& ensemble, const std::vector<WorkerDocument>& workers,
                                     Time now) {
  // Which workers are together on which machine is not told to clients.
  if (lenders_.empty() || !AreOneDomain(lenders_)) return std::nullopt;
  if (!first_looked_) first_looked_ = now;
  const bool complete = SlotsOf(workers) >= SlotsOf(lenders_);
  all_had_come_ = all_had_come_ || complete || now - *first_looked_ >= kAllCome;
  auto error = all_had_come_ && !complete ? WhatNeverFits(ensemble, workers) : std::nullopt;
  if (!error) {
    hopeless_since_.reset();
    return std::nullopt;
  }
  if (!hopeless_since_) hopeless_since_ = now;
  return now - *hopeless_since_ >= kSettled ? error : std::nullopt;
}

std::optional<Error> Prospects::WhatNeverFits(const EnsembleDocument& ensemble,
                                              const std::vector<WorkerDocument>& workers) const {
  std::vector<Lender> left;
  for (const WorkerDocument& worker : workers) left.push_back({"", worker.slots, 0});
  std::map<std::string, std::string> state;
  for (const MemberDocument& member : ensemble.members) state[member.name] = member.state;
  std::optional<Error> first;
  for (const spec::MemberSpec& member : spec_.members) {
    if (state[member.name] == "running") return std::nullopt;
    if (state[member.name] != "waiting") continue;
    spec::EnsembleSpec alone;
    alone.members = {member};
    alone.members.front().slot_memory_bytes.reset();
    if (CheckGangsFit(alone, left)) return std::nullopt;
    if (first) continue;
    first = Error{ErrorCode::kCancelled,
                  fmt::format("{} needs {} slots at once, and of the ranks that were started so many are lost that {} "
                              "slots are left; it is stopped",
                              member.name, member.slots.min, SlotsOf(workers)),
                  nullptr};
  }
  return first;
}

}  // namespace tutti::cli
