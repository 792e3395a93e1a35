#include "worker/agent/followed_attempts.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "storage/checkpoints/checkpoint_store.h"
#include "worker/launch/environment.h"
#include "worker/launch/trainer_command.h"

namespace tutti::worker {
namespace {

// Ended ones that are still known, for coordinators that are told of a worker again before the leader told of the end.
constexpr size_t kRemembered = 64;

// Where its leader finds it, too: they share the home.
protocol::Task TaskOf(const std::filesystem::path& home, const AttemptId& id) {
  protocol::Task task;
  task.attempt = id;
  task.kind = JobKind::kTrain;  // nothing else has a gang
  task.folder = home / id.job.ensemble.str() / storage::AttemptFolder(id);
  return task;
}

}  // namespace

FollowedAttempts::Attempt& FollowedAttempts::Add(const protocol::GrantSlots& grant) {
  Attempt& attempt = attempts_[grant.attempt];
  for (size_t i = 0; i < std::min(grant.slots.size(), grant.ranks.size()); ++i) {
    attempt.slots.emplace(grant.ranks[i], grant.slots[i]);
  }
  return attempt;
}

void FollowedAttempts::Grant(const protocol::GrantSlots& grant, SteadyTime now) {
  if (Knows(grant.attempt)) return;
  Add(grant).start_by = now + settings_.start_deadline;
}

void FollowedAttempts::Refuse(const protocol::GrantSlots& grant, std::string reason) {
  if (Knows(grant.attempt)) return;
  spdlog::warn("Cannot lend slots to {}: {}", grant.attempt.str(), reason);
  Attempt& attempt = Add(grant);
  attempt.failure = std::move(reason);
  attempt.phase = Phase::kGone;
}

std::optional<AttemptId> FollowedAttempts::HolderOf(int slot) const {
  for (const auto& [id, attempt] : attempts_) {
    const bool has = std::ranges::any_of(attempt.slots, [&](const auto& entry) { return entry.second == slot; });
    if (has && attempt.phase != Phase::kGone) return id;
  }
  return std::nullopt;
}

Result<RankOrders> FollowedAttempts::Admit(const RankHello& hello) {
  const auto known = attempts_.find(hello.attempt);
  if (known == attempts_.end() || known->second.phase != Phase::kOpen) {
    return Fail(ErrorCode::kCancelled, "{} has been ended", hello.attempt.str());
  }
  Attempt& attempt = known->second;
  const auto slot = attempt.slots.find(hello.rank);
  if (slot == attempt.slots.end()) {
    return Fail(ErrorCode::kInvalid, "no slot of this worker is for rank {} of {}", hello.rank, hello.attempt.str());
  }
  TUTTI_ASSIGN_OR_RETURN(std::vector<std::string> arguments,
                         TrainerArguments(settings_.trainer, TaskOf(settings_.home, hello.attempt)));
  attempt.came.insert(hello.rank);
  if (attempt.came.size() == attempt.slots.size()) attempt.start_by.reset();
  const SlotShare share = settings_.inventory.ShareOf(slot->second);
  return RankOrders{std::move(arguments), ForTrainer({}, share), share.cpus};
}

void FollowedAttempts::HandleRanksGone(const AttemptId& id) {
  const auto known = attempts_.find(id);
  if (known == attempts_.end()) return;
  Attempt& attempt = known->second;
  attempt.phase = Phase::kGone;
  attempt.start_by.reset();
  attempt.kill_at.reset();
  attempt.force_at.reset();
}

void FollowedAttempts::Stop(const protocol::StopAttempt& stop, SteadyTime now) {
  const auto known = attempts_.find(stop.attempt);
  if (known == attempts_.end()) return;
  switch (stop.reason) {
    case protocol::StopReason::kStale:
      known->second.memory = Attempt::Memory::kStale;
      [[fallthrough]];
    case protocol::StopReason::kCancelled:
      Fence(*known, now);
      return Forget();
    case protocol::StopReason::kRequested:
    case protocol::StopReason::kPreempted:
    case protocol::StopReason::kPruned:
      break;  // the leader asks
  }
}

void FollowedAttempts::RequestStop(SteadyTime now) {
  for (auto& [id, attempt] : attempts_) {
    if (attempt.phase == Phase::kOpen && !attempt.kill_at) attempt.kill_at = now + settings_.checkpoint_deadline;
  }
}

void FollowedAttempts::KillAll(SteadyTime now) {
  for (Entry& entry : attempts_) Fence(entry, now);
}

void FollowedAttempts::Fence(Entry& entry, SteadyTime now) {
  auto& [id, attempt] = entry;
  if (attempt.phase != Phase::kOpen) return;
  attempt.phase = Phase::kFenced;
  attempt.start_by.reset();
  attempt.kill_at.reset();
  attempt.force_at = now + settings_.kill_deadline;
  ranks_.Fence(id);
  if (ranks_.Connected(id) == 0) HandleRanksGone(id);
}

void FollowedAttempts::Tick(SteadyTime now) {
  for (Entry& entry : attempts_) {
    auto& [id, attempt] = entry;
    if (attempt.start_by && now >= *attempt.start_by) GiveUpStart(entry, now);
    if (attempt.kill_at && now >= *attempt.kill_at) {
      spdlog::warn("{} did not end within its checkpoint deadline: its ranks here are killed", id.str());
      Fence(entry, now);
    }
    if (attempt.force_at && now >= *attempt.force_at) {
      attempt.force_at.reset();
      ranks_.Kill(id);
    }
  }
}

void FollowedAttempts::GiveUpStart(Entry& entry, SteadyTime now) {
  auto& [id, attempt] = entry;
  attempt.failure =
      fmt::format("{} of its {} ranks there came up within {} s", attempt.came.size(), attempt.slots.size(),
                  std::chrono::duration_cast<std::chrono::seconds>(settings_.start_deadline).count());
  spdlog::warn("{} is ended: {}", id.str(), attempt.failure);
  Fence(entry, now);
}

void FollowedAttempts::Rejoin() {
  for (auto& [id, attempt] : attempts_) {
    if (attempt.failure.empty() || attempt.memory == Attempt::Memory::kStale) continue;
    attempt.told = Attempt::Told::kNothing;
    std::erase(ended_, id);
  }
}

void FollowedAttempts::Report(const Tell& tell) {
  for (auto& [id, attempt] : attempts_) {
    if (attempt.phase != Phase::kGone || attempt.told == Attempt::Told::kAll) continue;
    if (!attempt.failure.empty()) tell(protocol::AttemptFailedToStart{id, attempt.failure});
    tell(protocol::SlotsFree{id, SlotsOf(attempt)});
    attempt.told = Attempt::Told::kAll;
    ended_.push_back(id);
  }
  Forget();
}

void FollowedAttempts::Forget() {
  std::erase_if(ended_, [&](const AttemptId& id) {
    const auto known = attempts_.find(id);
    if (known == attempts_.end()) return true;
    if (known->second.memory == Attempt::Memory::kKept) return false;
    attempts_.erase(known);
    return true;
  });
  for (; ended_.size() > kRemembered; ended_.pop_front()) attempts_.erase(ended_.front());
}

std::vector<protocol::RunningAttempt> FollowedAttempts::Running() const {
  std::vector<protocol::RunningAttempt> running;
  for (const auto& [id, attempt] : attempts_) {
    running.push_back({id, false, attempt.phase == Phase::kGone ? std::vector<int>() : SlotsOf(attempt)});
  }
  return running;
}

std::vector<int> FollowedAttempts::SlotsOf(const Attempt& attempt) {
  std::vector<int> slots;
  for (const auto& [rank, slot] : attempt.slots) slots.push_back(slot);
  return slots;
}

bool FollowedAttempts::all_gone() const {
  return std::ranges::all_of(attempts_, [](const auto& entry) { return entry.second.phase == Phase::kGone; });
}

bool FollowedAttempts::told_all() const {
  return std::ranges::all_of(attempts_, [](const auto& entry) { return entry.second.told == Attempt::Told::kAll; });
}

}  // namespace tutti::worker
