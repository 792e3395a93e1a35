#include "common/result.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "common/printable.h"

namespace tutti {

std::string_view Name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return "invalid";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kExists:
      return "exists";
    case ErrorCode::kNoSpace:
      return "no_space";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kUnreachable:
      return "unreachable";
    case ErrorCode::kDenied:
      return "denied";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kTimeout:
      return "timeout";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

std::string Error::Text() const {
  std::string text = message;
  for (const Error* error = cause.get(); error != nullptr; error = error->cause.get()) text += ": " + error->message;
  return Printable(text);
}

tl::unexpected<Error> FailErrno(int system_errno, std::string_view what) {
  ErrorCode code = ErrorCode::kIo;
  switch (system_errno) {
    case ENOSPC:
    case EDQUOT:
      code = ErrorCode::kNoSpace;
      break;
    case ENOENT:
      code = ErrorCode::kNotFound;
      break;
    case EEXIST:
      code = ErrorCode::kExists;
      break;
    case EACCES:
    case EPERM:
      code = ErrorCode::kDenied;
      break;
    default:
      break;
  }
  return Fail(code, "{}: {}", what, std::strerror(system_errno));
}

namespace detail {

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace detail
}  // namespace tutti
