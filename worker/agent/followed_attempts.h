// The attempts that this worker lends slots to and another leads: their ranks come here, each to the slot that it was
// granted, and are ended here.
//
// A gang lives and dies whole: where one of its ranks is gone, those that come later are sent away. The slots of an
// attempt are free, and told to be, once its ranks have come and gone, or were ended, or did not come by the start
// deadline. What the leader asks of a gang (a checkpoint, the end) reaches these ranks through the launcher; while
// nobody is connected they go on.
//
// Not thread-safe: lives on the agent's thread.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/protocol/channel.h"
#include "worker/agent/led_attempt.h"
#include "worker/launch/rank_server.h"

namespace tutti::worker {

class FollowedAttempts {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;
  using Tell = std::function<void(protocol::FromWorker)>;

  // Both outlive it.
  FollowedAttempts(RankServer& ranks, const LaunchSettings& settings) : ranks_(ranks), settings_(settings) {}

  // Repeats change nothing.
  void Grant(const protocol::GrantSlots& grant, SteadyTime now);
  // The slots are not to be had: its coordinator is told why.
  void Refuse(const protocol::GrantSlots& grant, std::string reason);
  bool Knows(const AttemptId& id) const { return attempts_.contains(id); }
  // Whose ranks may run on this slot.
  std::optional<AttemptId> HolderOf(int slot) const;

  // A rank has come: what it becomes.
  Result<RankOrders> Admit(const RankHello& hello);
  void HandleRanksGone(const AttemptId& id);

  void Stop(const protocol::StopAttempt& stop, SteadyTime now);
  // This worker leaves: gangs that their leaders do not bring to an end within the checkpoint deadline are ended here.
  void RequestStop(SteadyTime now);
  void KillAll(SteadyTime now);
  // Looks after deadlines.
  void Tick(SteadyTime now);

  // A coordinator that was not reached may not have heard why ranks will not come: it is told again.
  void Rejoin();
  // Tells what has ended since it was told last.
  void Report(const Tell& tell);
  // For the agent's Hello. Ended ones, whose leader may not have told of the end yet, with no slots.
  std::vector<protocol::RunningAttempt> Running() const;
  // Nothing of them runs any more.
  bool all_gone() const;
  bool told_all() const;

 private:
  enum class Phase { kOpen, kFenced, kGone };
  struct Attempt {
    std::map<int, int> slots;  // by rank
    std::set<int> came;        // ranks
    Phase phase = Phase::kOpen;
    std::optional<SteadyTime> start_by;  // for its ranks to come
    std::optional<SteadyTime> kill_at;   // Fence()
    std::optional<SteadyTime> force_at;  // SIGKILL to whatever is left
    std::string failure;                 // why its ranks will not come
    enum class Told { kNothing, kAll } told = Told::kNothing;
    enum class Memory { kKept, kStale } memory = Memory::kKept;  // stale: its coordinator knows that it has ended
  };
  using Entry = std::pair<const AttemptId, Attempt>;

  static std::vector<int> SlotsOf(const Attempt& attempt);
  Attempt& Add(const protocol::GrantSlots& grant);
  // Ends its ranks, and lets none come any more.
  void Fence(Entry& entry, SteadyTime now);
  void GiveUpStart(Entry& entry, SteadyTime now);
  void Forget();

  RankServer& ranks_;
  const LaunchSettings& settings_;
  std::map<AttemptId, Attempt> attempts_;
  std::deque<AttemptId> ended_;  // that were told, oldest first
};

}  // namespace tutti::worker
