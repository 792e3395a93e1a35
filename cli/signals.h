// SIGINT, SIGTERM and SIGUSR1, which all ask the program to stop.
#pragma once

#include <functional>
#include <memory>

#include "common/clock.h"

namespace tutti::cli {

// Catches the signals from its creation on, on a thread of its own; the rest of the program is never interrupted.
class StopSignals {
 public:
  // Called on that thread with the signal and how many have come, this one included.
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

// What a process that was asked by `signal` to stop exits with: 130 for SIGINT, 143 for SIGTERM and SIGUSR1, which
// clusters send in its place.
int ExitCodeOfSignal(int signal);

}  // namespace tutti::cli
