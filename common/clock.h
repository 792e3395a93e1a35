// The one seam for time. Pure code takes `now` as a parameter; what blocks or schedules asks a Clock.
#pragma once

#include <chrono>
#include <string>

namespace tutti {

using Duration = std::chrono::milliseconds;
using TimePoint = std::chrono::sys_time<Duration>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint Now() const = 0;
};

// The wall's time at its creation, moved on by the steady clock: it never jumps while the process lives.
class SystemClock : public Clock {
 public:
  SystemClock();
  TimePoint Now() const override;

 private:
  TimePoint wall_at_start_;
  std::chrono::steady_clock::time_point steady_at_start_;
};

// "2026-03-01T12:00:00.250Z"
std::string FormatTime(TimePoint time);

}  // namespace tutti
