#include "cli/patience.h"

namespace tutti::cli {

std::optional<Error> Patience::OnError(const Error& error, Time now) {
  if (error.code != ErrorCode::kUnreachable && error.code != ErrorCode::kTimeout) return error;
  if (!silent_since_) silent_since_ = now;
  if (now - *silent_since_ < limit_) return std::nullopt;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit_).count();
  return FailBecause(error, "waited {} s in vain for an answer", seconds).value();
}

}  // namespace tutti::cli
