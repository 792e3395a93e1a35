#include "tests/sim/agenda.h"

#include <algorithm>
#include <utility>

namespace tutti::sim {

void Agenda::At(TimePoint time, std::function<void()> action) {
  actions_.emplace(std::pair(std::max(time, now_), order_++), std::move(action));
}

bool Agenda::Step() {
  if (actions_.empty()) return false;
  auto next = actions_.extract(actions_.begin());
  now_ = next.key().first;
  next.mapped()();
  return true;
}

int64_t Agenda::Between(int64_t lowest, int64_t highest) {
  const auto span = static_cast<uint64_t>(highest - lowest) + 1;
  return lowest + static_cast<int64_t>(random_() % span);
}

}  // namespace tutti::sim
