// SIGINT, SIGTERM, SIGUSR1 and the SIGHUP of a terminal that is closed, which all ask the program to stop.
#pragma once

#include <functional>
#include <memory>

#include "common/clock.h"

namespace tutti::cli {

// Catches the signals from its creation on, on a thread of its own; the rest of the program is never interrupted.
// Signals within half a second of one that counted belong to the same request: `timeout` and launchers signal a process
// and then its group. A SIGHUP that the caller ignores (nohup) stays ignored.
class StopSignals {
 public:
  // Called on that thread with the signal and how many requests have come, this one included.
  using Handler = std::function<void(int signal, int count)>;

  explicit StopSignals(Handler handler);
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals();

  // The first signal that came; 0 while none has.
  int first() const;
  // Waits for `time`, less when the first signal comes meanwhile.
  void Wait(Duration time) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What a process that was asked by `signal` to stop exits with: 129 for SIGHUP, 130 for SIGINT, 143 for SIGTERM and
// SIGUSR1, which clusters send in its place.
int ExitCodeOfSignal(int signal);

}  // namespace tutti::cli
