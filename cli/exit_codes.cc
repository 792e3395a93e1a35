#include "cli/exit_codes.h"

namespace tutti::cli {

int ExitCodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return kExitUsage;
    case ErrorCode::kNotFound:
      return kExitNotFound;
    case ErrorCode::kUnreachable:
      return kExitUnreachable;
    case ErrorCode::kDenied:
      return kExitDenied;
    case ErrorCode::kTimeout:
      return kExitTimeout;
    case ErrorCode::kInternal:
      return kExitInternal;
    default:
      return kExitFailed;
  }
}

}  // namespace tutti::cli
