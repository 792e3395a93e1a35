// Nodes on demand: which jobs of workers to ask a batch system for, and which of those that are there to give back.
// Pure: the same inputs give the same answer, and nothing is remembered between two questions, so that a coordinator
// that starts anew decides as the one before it would have.
//
// A *node job* is a job of the batch system each of whose nodes runs a worker; its workers are one launch domain. So a
// gang that is wider than a node has one job of as many nodes as it needs, and all else jobs of one node, which can be
// given back one by one. Members that take a short time share a slot one after the other.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"
#include "coordinator/core/scheduler.h"

namespace tutti::core {

struct NodeLimits {
  int nodes = 1;                                 // at once, of all jobs
  int slots_per_node = 1;                        // that a node is expected to have as long as none has come
  Duration longest = std::chrono::hours(4);      // walltime of one job
  Duration shortest = std::chrono::minutes(15);  // for less no node is asked for: it would hardly have started
  Duration idle = std::chrono::minutes(5);       // after which a job that does nothing is given back
  std::optional<Duration> budget = {};           // nodes x time, of all jobs ever
};

// A waiting job of an ensemble that would start if there were slots for it.
struct NodeDemand {
  Waiting gang;
  std::optional<Duration> takes;  // nothing: nobody knows
};

// Workers of one launch domain, as far as they take new work.
struct SlotGroup {
  int workers = 0;
  int free = 0;
  std::vector<std::optional<Duration>> busy;  // how long each other slot is at work still; nothing: nobody knows
};

struct NodeJob {
  enum class State { kWaiting, kRunning, kLeaving };  // kLeaving: its workers get nothing new
  std::string name;                                   // by which it is found again, also by another coordinator
  State state = State::kWaiting;
  int nodes = 1;
  Duration walltime{};
  Duration left{};                           // of it
  SlotGroup slots = {};                      // of its workers that are connected
  std::optional<TimePoint> idle_since = {};  // all its workers are there, and none does anything
};

struct NodeView {
  std::vector<NodeDemand> waiting;  // in the order in which they are served
  std::vector<NodeJob> jobs;        // that have not ended
  std::vector<SlotGroup> others;    // of workers that nobody asked the batch system for
  Duration used{};                  // nodes x time of jobs that have ended
  // That the last node had which came. To be remembered by whoever asks, as `used` is: a gang may need more nodes than
  // the limits let expect, and would be given too few again and again.
  std::optional<int> slots_per_node = {};
  int refusals = 0;        // of the batch system in a row
  TimePoint refused_at{};  // the last of them
};

struct NodeDecision {
  struct Ask {
    int nodes = 1;
    Duration walltime{};
    bool operator==(const Ask&) const = default;
  };
  std::vector<Ask> ask;
  std::vector<std::string> leave;        // jobs whose workers are to get nothing new
  std::vector<std::string> cancel;       // jobs that are of no use any more
  std::map<JobId, std::string> why_not;  // who waits and gets no node for now, in words
  std::optional<TimePoint> again;        // when time alone changes the answer
};

// How long the batch system is left alone after so many refusals in a row.
Duration NodeBackoff(int refusals);

NodeDecision DecideNodes(const NodeLimits& limits, const NodeView& view, TimePoint now);

}  // namespace tutti::core
