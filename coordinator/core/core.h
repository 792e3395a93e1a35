// The coordinator's mind: pure. (state, event, now) -> effects; no I/O, clock, thread or random device.
//
// How an ensemble runs: an inspect job (kInspectJob) reports what the data is, the split is drawn, the members train,
// and once all have ended their predictions are combined. A message of a worker about an attempt counts only while
// that attempt lives and the sender leads it; anything else is harmless and, where it shows that a fenced attempt is
// still at work, answered with StopAttempt{kStale}.
//
// What an agent can rely on: Welcome and, for each attempt that it keeps, Acknowledge (from where to send again)
// answer its Hello; an event is acknowledged once it is durable, the last event of an attempt once its exit is.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/records.h"
#include "common/spec/jobs.h"
#include "coordinator/core/effects.h"
#include "coordinator/core/events.h"
#include "coordinator/core/scheduler.h"

namespace tutti::core {

using spec::kInspectJob;

// Why an ensemble stopped, as its note and its jobs' reasons say it.
inline constexpr const char* kOnRequest = "on request";
inline constexpr const char* kProcessGone = "its process is gone";
// Why a worker gets nothing new.
inline constexpr const char* kDrained = "is being drained";

// What becomes of ensembles that a coordinator finds running at its start: the one that trained them was lost.
// kGoOn: they go on by themselves, as people expect of a service. kStop: they stop, and EnsembleResumed goes on with
// one, as people expect of a command that names the one that it is about.
enum class Interrupted { kGoOn, kStop };

struct Settings {
  Duration disconnect_grace = std::chrono::seconds(10);  // a worker whose connection broke
  Duration silence_limit = std::chrono::seconds(30);     // a worker that says nothing: agents send Heartbeat
  Duration recovery_lease = std::chrono::seconds(30);    // attempts unknown after a restart of the coordinator
  int maximum_failures = 3;                              // of a job in a row, before it is given up
  // Of attempts of several jobs in a row on one worker, before it is set aside, as long as another takes work.
  int maximum_worker_failures = 3;
  Duration set_aside_for = std::chrono::minutes(10);  // then it is tried again
  // Ends in a row that are nobody's failure (a lost worker, a stop from outside) and bring no checkpoint.
  int maximum_interruptions = 10;
  Duration first_backoff = std::chrono::seconds(1);  // doubled with each failure
  Duration longest_backoff = std::chrono::minutes(1);
  Interrupted interrupted = Interrupted::kGoOn;
};

struct State;  // state.h, internal

class Core {
 public:
  Core(Settings settings, Generation generation);

  // The state that `records` tell, and the effects that a crash between a commit and its outward effects may have
  // left undone. Workers are unknown until they join. Jobs that an ensemble's experiment names and `records` lack
  // (a catalog made anew from folders) wait from the start.
  static Core Restore(Settings settings, Generation generation, Records records, TimePoint now,
                      std::vector<Effect>& outstanding);

  // The same state again, to try things on.
  Core Copy() const;

  Core(Core&&) noexcept;
  Core& operator=(Core&&) noexcept;
  ~Core();

  // Time passes by Tick alone: the other events do not wake what sleeps.
  std::vector<Effect> Handle(const Event& event, TimePoint now);

  // When Tick is next needed.
  std::optional<TimePoint> NextDeadline() const;

  // What is known, for showing. Valid until the next Handle. Costs a copy of the tables that changed since it was last
  // asked for; RecordsOf() copies one ensemble or one job alone.
  const Records& records() const;
  const std::vector<EnsembleRecord>& ensembles() const;  // that table alone
  Records RecordsOf(const EnsembleId& ensemble) const;
  Records RecordsOf(const JobId& job) const;    // its own: without those of its ensemble
  const JobRecord* job(const JobId& id) const;  // null when there is none; valid until the next Handle
  struct WorkerView {
    WorkerId id;
    Incarnation incarnation;
    bool connected = false;
    int slots = 0;
    std::vector<std::optional<AttemptId>> holders;  // by slot
    bool draining = false;                          // or leaving
    std::string closed = {};                        // why it gets nothing new: "is being drained", "is set aside: ..."
  };
  std::vector<WorkerView> workers() const;  // those that are not given up, and those that are drained
  std::string Why(const JobId& job) const;
  // The same of an ensemble's waiting jobs in a few words: "3rd in line for a slot".
  std::map<JobId, std::string> WhyWaiting(const EnsembleId& ensemble) const;
  // The jobs that would start if there were slots for them, in the order in which they are served.
  std::vector<Waiting> Unserved() const;
  // Whether this start of a worker, which is connected, leads the attempt, which has not ended.
  bool IsLedBy(const AttemptId& id, const WorkerId& worker, Incarnation incarnation) const;
  // The last Progress of a running job; never persisted.
  const protocol::Progress* progress(const JobId& job) const;
  // True once StopRequested was handled, no attempt lives, and nothing that was begun for an ensemble is on its way.
  bool stopped() const;

  // Aborts (TUTTI_CHECK) when: a slot is granted twice, a job has two live attempts, a finished member has no
  // committed checkpoint, a waiting gang that fits was passed over.
  void CheckInvariants() const;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace tutti::core
