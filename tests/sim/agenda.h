// Time and chance of a simulation: one seed makes one course of events.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <stdexcept>
#include <string>

#include "common/clock.h"

namespace tutti::sim {

// What the simulated cluster did that it must never do.
class Violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Agenda {
 public:
  explicit Agenda(uint64_t seed) : random_(seed) {}

  TimePoint now() const { return now_; }
  void At(TimePoint time, std::function<void()> action);
  void After(Duration delay, std::function<void()> action) { At(now_ + delay, std::move(action)); }
  // Does what is next; false when nothing is left.
  bool Step();

  // From `lowest` to `highest`, both possible. The same on every machine, which std's distributions are not.
  int64_t Between(int64_t lowest, int64_t highest);
  Duration Within(Duration shortest, Duration longest) { return Duration(Between(shortest.count(), longest.count())); }
  bool OneIn(int64_t chances) { return Between(1, chances) == 1; }

 private:
  std::mt19937_64 random_;
  TimePoint now_ = TimePoint(std::chrono::hours(1));
  int64_t order_ = 0;
  std::map<std::pair<TimePoint, int64_t>, std::function<void()>> actions_;
};

}  // namespace tutti::sim
