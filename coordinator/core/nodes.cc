#include "coordinator/core/nodes.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tutti::core {
namespace {

constexpr Duration kFirstBackoff = std::chrono::seconds(10);
constexpr Duration kLongestBackoff = std::chrono::minutes(10);
// Estimates are of trainings that had a node to themselves, and a worker has to start first.
constexpr int kMarginTenths = 15;
constexpr Duration kStartOfAWorker = std::chrono::minutes(5);

double NodeHours(Duration duration) { return std::chrono::duration<double, std::ratio<3600>>(duration).count(); }

// Slots of one launch domain that are there, on their way, or asked for now, and how long each will be at work.
struct Supply {
  const NodeJob* job = nullptr;                   // null: of others, or asked for now
  int asked_nodes = 0;                            // 0: not asked for now
  std::vector<Duration> filled;                   // by slot
  Duration full{};                                // what a slot may be filled to before another is looked for
  std::optional<Duration> longest = Duration(0);  // that a slot is filled; nothing: nobody knows
  bool wanted = false;                            // by what waits
};

class Decider {
 public:
  Decider(const NodeLimits& limits, const NodeView& view, TimePoint now)
      : limits_(limits),
        view_(view),
        now_(now),
        slots_per_node_(std::max(1, view.slots_per_node.value_or(limits.slots_per_node))),
        committed_(view.used) {
    for (const SlotGroup& group : view.others) Add(nullptr, group, 0, limits.shortest);
    for (const NodeJob& job : view.jobs) {
      nodes_ += job.nodes;
      committed_ += job.nodes * job.walltime;
      if (job.state == NodeJob::State::kLeaving) continue;
      Add(&job, job.slots, std::max(0, job.nodes - job.slots.workers), std::min(limits.shortest, job.left));
    }
  }

  NodeDecision Decide() {
    for (const NodeDemand& demand : view_.waiting) Serve(demand);
    for (const NodeJob& job : view_.jobs) GiveBack(job);
    for (const Supply& supply : supplies_) {
      if (supply.asked_nodes > 0) decision_.ask.push_back({supply.asked_nodes, WalltimeOf(supply)});
    }
    return std::move(decision_);
  }

 private:
  void Add(const NodeJob* job, const SlotGroup& group, int missing_nodes, Duration full) {
    Supply supply{.job = job, .filled = std::vector<Duration>(static_cast<size_t>(group.free)), .full = full};
    for (const auto& left : group.busy) supply.filled.push_back(left.value_or(full));
    supply.filled.resize(supply.filled.size() + static_cast<size_t>(missing_nodes * slots_per_node_));
    supplies_.push_back(std::move(supply));
  }

  void Serve(const NodeDemand& demand) {
    for (Supply& supply : supplies_) {
      if (TakesPlaceIn(supply, demand)) return;
    }
    const int nodes = (demand.gang.minimum_slots + slots_per_node_ - 1) / slots_per_node_;
    if (auto refusal = WhyNot(demand, nodes)) {
      decision_.why_not[demand.gang.job] = std::move(*refusal);
      return;
    }
    nodes_ += nodes;
    committed_ += nodes * limits_.shortest;
    const auto slots = static_cast<size_t>(nodes * slots_per_node_);
    Supply& asked = supplies_.emplace_back(
        Supply{.asked_nodes = nodes, .filled = std::vector<Duration>(slots), .full = limits_.shortest});
    TUTTI_CHECK(TakesPlaceIn(asked, demand));
  }

  // In the slots that are free first. One that has work for as long as the shortest job is full: what waits behind it
  // is worth a node of its own.
  static bool TakesPlaceIn(Supply& supply, const NodeDemand& demand) {
    const auto needed = static_cast<size_t>(demand.gang.minimum_slots);
    if (supply.filled.size() < needed) return false;
    std::ranges::sort(supply.filled);
    const Duration begins = supply.filled[needed - 1];  // a gang starts once it has all of them
    if (begins >= supply.full) return false;
    supply.wanted = true;
    const Duration ends = begins + demand.takes.value_or(supply.full);
    std::fill_n(supply.filled.begin(), needed, ends);
    if (!demand.takes) supply.longest.reset();
    if (supply.longest) supply.longest = std::max(*supply.longest, ends);
    return true;
  }

  std::optional<std::string> WhyNot(const NodeDemand& demand, int nodes) {
    if (nodes > limits_.nodes) {
      return fmt::format("needs {} slots at once, which are {} nodes of {}; at most {} may be asked for",
                         demand.gang.minimum_slots, nodes, slots_per_node_, limits_.nodes);
    }
    if (const Duration backoff = NodeBackoff(view_.refusals); now_ < view_.refused_at + backoff) {
      Again(view_.refused_at + backoff);
      return "the batch system refused the last job; it is asked again after a while";
    }
    // What waits for many nodes is not passed over by what needs few.
    if (kept_ || nodes_ + nodes > limits_.nodes) {
      kept_ = true;
      return fmt::format("waits for {} of the {} nodes that may be asked for", nodes, limits_.nodes);
    }
    if (limits_.budget && committed_ + nodes * limits_.shortest > *limits_.budget) {
      return fmt::format("the budget of {:.1f} node-hours is used or promised", NodeHours(*limits_.budget));
    }
    return std::nullopt;
  }

  void GiveBack(const NodeJob& job) {
    if (job.state == NodeJob::State::kLeaving) {
      if (job.slots.busy.empty()) decision_.cancel.push_back(job.name);
    } else if (IsWanted(job)) {
      return;
    } else if (job.state == NodeJob::State::kWaiting) {
      decision_.cancel.push_back(job.name);
    } else if (job.idle_since) {
      const TimePoint given_back = kept_ ? now_ : *job.idle_since + limits_.idle;
      if (given_back > now_) return Again(given_back);
      decision_.leave.push_back(job.name);
    }
  }

  bool IsWanted(const NodeJob& job) const {
    return std::ranges::any_of(supplies_, [&](const Supply& one) { return one.job == &job && one.wanted; });
  }

  // A short job starts earlier, and ends by itself where nobody can give it back.
  Duration WalltimeOf(const Supply& asked) {
    Duration walltime = limits_.longest;
    if (asked.longest) walltime = *asked.longest * kMarginTenths / 10 + kStartOfAWorker;
    if (limits_.budget) {  // the shortest was promised before
      walltime = std::min(walltime, (*limits_.budget - committed_) / asked.asked_nodes + limits_.shortest);
    }
    walltime = std::max(limits_.shortest, std::min(walltime, limits_.longest));
    committed_ += asked.asked_nodes * (walltime - limits_.shortest);
    return walltime;
  }

  void Again(TimePoint time) { decision_.again = std::min(decision_.again.value_or(time), time); }

  const NodeLimits& limits_;
  const NodeView& view_;
  const TimePoint now_;
  const int slots_per_node_;
  std::vector<Supply> supplies_;
  int nodes_ = 0;       // of all jobs, with those that are asked for now
  Duration committed_;  // nodes x time that is used or promised
  bool kept_ = false;   // somebody waits for nodes that others have
  NodeDecision decision_;
};

}  // namespace

Duration NodeBackoff(int refusals) {
  if (refusals <= 0) return Duration(0);
  Duration backoff = kFirstBackoff;
  for (int doubled = 1; doubled < refusals && backoff < kLongestBackoff; ++doubled) backoff *= 2;
  return std::min(backoff, kLongestBackoff);
}

NodeDecision DecideNodes(const NodeLimits& limits, const NodeView& view, TimePoint now) {
  return Decider(limits, view, now).Decide();
}

}  // namespace tutti::core
