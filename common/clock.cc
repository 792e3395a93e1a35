#include "common/clock.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace tutti {

SystemClock::SystemClock()
    : wall_at_start_(std::chrono::floor<Duration>(std::chrono::system_clock::now())),
      steady_at_start_(std::chrono::steady_clock::now()) {}

TimePoint SystemClock::Now() const {
  return wall_at_start_ + std::chrono::floor<Duration>(std::chrono::steady_clock::now() - steady_at_start_);
}

std::string FormatTime(TimePoint time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     (time - seconds).count());
}

}  // namespace tutti
