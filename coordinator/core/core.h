// The coordinator's mind: pure. (state, event, now) -> effects; no I/O, clock, thread or random device.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/records.h"
#include "coordinator/core/effects.h"
#include "coordinator/core/events.h"

namespace tutti::core {

struct Settings {
  Duration disconnect_grace = std::chrono::seconds(10);   // a worker whose connection broke
  Duration silence_limit = std::chrono::seconds(30);      // a worker that says nothing
  Duration recovery_lease = std::chrono::seconds(30);     // attempts unknown after a restart of the coordinator
  int maximum_failures = 3;                               // of a job, before it is given up
  Duration first_backoff = std::chrono::seconds(1);       // doubled with each failure
  Duration longest_backoff = std::chrono::minutes(1);
};

// Why a job is not running, in words for people.
struct Reason {
  JobId job;
  std::string text;
};

class Core {
 public:
  Core(Settings settings, Generation generation);

  // The state that `records` tell, and the effects that a crash between a commit and its outward effects may have
  // left undone. Workers are unknown until they join.
  static Core Restore(Settings settings, Generation generation, Records records, TimePoint now,
                      std::vector<Effect>& outstanding);

  Core(Core&&) noexcept;
  Core& operator=(Core&&) noexcept;
  ~Core();

  std::vector<Effect> Handle(const Event& event, TimePoint now);

  // When Tick is next needed.
  std::optional<TimePoint> NextDeadline() const;

  // What is known, for showing. Valid until the next Handle.
  const Records& records() const;
  struct WorkerView {
    WorkerId id;
    Incarnation incarnation;
    bool connected = false;
    int slots = 0;
    std::vector<std::optional<AttemptId>> holders;  // by slot
  };
  std::vector<WorkerView> workers() const;
  std::string Why(const JobId& job) const;
  // The last Progress of a running job; never persisted.
  const protocol::Progress* progress(const JobId& job) const;
  // True once StopRequested was handled and no attempt lives.
  bool stopped() const;

  // Aborts (TUTTI_CHECK) when: a slot is granted twice, a job has two live attempts, a finished member has no
  // committed checkpoint, a waiting gang that fits was passed over.
  void CheckInvariants() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tutti::core
