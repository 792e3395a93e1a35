// For commands that may be typed before their coordinator is there, or while it starts again.
#pragma once

#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "cli/console.h"
#include "common/clock.h"
#include "common/result.h"

namespace tutti::cli {

// Calls `ask` until its answer is another than kUnreachable or kTimeout, at most for `limit` from the first of these
// on; says once on standard error that it waits. The last answer.
template <typename Ask>
auto AskWithin(Duration limit, Ask ask) {
  constexpr std::chrono::milliseconds kPause{200};
  std::optional<std::chrono::steady_clock::time_point> end;
  while (true) {
    auto answer = ask();
    const bool nobody =
        !answer && (answer.error().code == ErrorCode::kUnreachable || answer.error().code == ErrorCode::kTimeout);
    if (!nobody) return answer;
    const auto now = std::chrono::steady_clock::now();
    if (!end && limit > Duration(0)) {
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit).count();
      PrintToError(fmt::format("tutti: waits up to {} s: {}\n", seconds, answer.error().Text()));
    }
    if (!end) end = now + limit;
    if (now >= *end) return answer;
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace tutti::cli
