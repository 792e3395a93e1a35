// For commands that may be typed before their coordinator is there, or while it starts again.
#pragma once

#include <chrono>
#include <thread>
#include <utility>

#include "cli/console.h"
#include "common/clock.h"
#include "common/result.h"

namespace tutti::cli {

// Calls `ask` until its answer is another than kUnreachable or kTimeout, at most for `limit`; says once on standard
// error that it waits. The last answer.
template <typename Ask>
auto AskWithin(Duration limit, Ask ask) {
  constexpr std::chrono::milliseconds kPause{200};
  const auto end = std::chrono::steady_clock::now() + limit;
  bool said = false;
  while (true) {
    auto answer = ask();
    const bool nobody =
        !answer && (answer.error().code == ErrorCode::kUnreachable || answer.error().code == ErrorCode::kTimeout);
    if (!nobody || std::chrono::steady_clock::now() >= end) return answer;
    if (!std::exchange(said, true)) {
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit).count();
      PrintToError(fmt::format("tutti: waits up to {} s: {}\n", seconds, answer.error().Text()));
    }
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace tutti::cli
