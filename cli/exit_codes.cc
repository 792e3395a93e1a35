#include "cli/exit_codes.h"

#include "cli/console.h"

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

int EndWith(const Error& error) {
  Complain(error);
  return ExitCodeOf(error.code);
}

}  // namespace tutti::cli
